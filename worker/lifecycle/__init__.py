"""What a score means for a person: bucket, stage, and the policy that decides. Pure."""
