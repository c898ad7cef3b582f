"""The `streamd` command."""
