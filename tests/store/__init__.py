"""The stores on SQLite, PostgreSQL and MariaDB, the short-lived state on Redis too: one suite, the same promises."""
