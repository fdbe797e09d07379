from idp.settings import load_settings
s = load_settings()
bind = f"{s.host}:{s.port}"; workers = s.workers or 2; threads = s.threads; worker_class = "gthread"; preload_app = True
