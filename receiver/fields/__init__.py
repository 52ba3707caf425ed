"""The one field table, and what can be made from it without looking anywhere else."""

from .table import Field, FieldTable, FieldType, Group, Kind, KindTable, field_table

__all__ = ["Field", "FieldTable", "FieldType", "Group", "Kind", "KindTable", "field_table"]
