"""Why a model may not be used, or not be promoted. Light to import: the command line names both."""


class ModelRefused(Exception):
    """A model cannot be used. The text says which, why, and what to do."""


class PromotionRefused(Exception):
    """A challenger may not replace the champion. The text holds the figures that speak against it, one a line."""
