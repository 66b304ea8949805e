"""The walk: its steps as a table, and the few lines which try one."""
