"""The practice Salesforce: an org in memory behind the vendor's REST, Bulk 2.0, Tooling and OAuth wire formats."""
