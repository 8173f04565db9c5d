"""What can be wrong with a published part as a whole. What can be wrong with one row is a rule."""


class MetadataError(ValueError):
    """A part cannot be turned into validated rows; the message names file, part and finding. Retrying is no help."""


class DamagedPartError(MetadataError):
    """The file is not what its name says: cut off, empty, an error page, bytes that do not decode."""


class RuleError(MetadataError):
    """A rule of the dataset's YAML cannot be evaluated on the columns it looks at."""


class SchemaMismatchError(MetadataError):
    """The file is sound, but a column is missing under every name we know, or of a type that cannot mean this."""
