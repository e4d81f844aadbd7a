"""The application: leads in, scores out, every write proved. Celery lives in `app.py` and `tasks.py` alone."""
