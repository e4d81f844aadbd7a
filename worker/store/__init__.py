"""PostgreSQL: the truth. Migrations, and one module of queries per noun; every query takes `now` as an argument."""
