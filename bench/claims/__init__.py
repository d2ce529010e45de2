"""The limits of the project, one module a subject. Each has `measure(plan)`, which yields the rows of its subject."""
