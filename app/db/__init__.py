"""The only place with SQL: tables, statements, the drivers, and the vault for personal fields."""
