"""Every template with values that are hard on it, and a small application that serves them as the server would.

The values are what `idp/pages` promises to hand to each template; undefined ones are errors.
Addresses: `/<sample>?lang=fr`.
"""

import mimetypes
from pathlib import Path
from typing import Any

import jinja2
from flask import Flask, Response, abort, render_template, request
from flask_babel import Babel

import idp
from idp.captcha import Widget

STATIC = Path(idp.__file__).parent / "static"
LANGUAGES = (("en", "English"), ("fr", "Français"))
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; form-action 'self'"
HOSTILE = "<b onclick=alert(1)>\"Tools\" & 'Söhne'</b>"
LONG_NAME = "Wonderful Office Tools " * 8 + "For Everybody"

CLIENT = {
    "name": "Demo Web",
    "logo_uri": "/static/favicon.svg",
    "client_uri": "https://shop.example.com",
    "policy_uri": "https://shop.example.com/privacy",
    "tos_uri": "https://shop.example.com/terms",
}
BARE_CLIENT = {**dict.fromkeys(CLIENT), "name": LONG_NAME}
ACCOUNT = {"name": "Ada Lovelace", "username": "ada", "email": "ada@example.org"}
TWELVE_SCOPES = [
    {"name": f"api:{number}", "title": f"Manage number {number}", "description": "What it does.", "is_new": number > 8}
    for number in range(12)
]
FIELD_ERRORS = [
    {"field": "username", "message": "Enter your user name."},
    {"field": "password", "message": "Enter your password."},
]
RIGHT_TO_LEFT = "مركز الدخول الموحد (IT)"
BUILT_IN = ("Google", "Facebook", "Discord", "Apple", "GitHub", "Microsoft")
SIX_PROVIDERS = [
    {"name": label.lower(), "label": label, "kind": label.lower(), "action": f"/upstream/{label.lower()}"}
    for label in BUILT_IN
]
OTHER_LABELS = ("Acme", RIGHT_TO_LEFT, "Städtische Hochschule für Gestaltung und Medien", HOSTILE, "x" * 60, "中文大學")
TWELVE_PROVIDERS = SIX_PROVIDERS + [
    {"name": f"other-{number}", "label": label, "kind": "oidc", "action": f"/upstream/other-{number}"}
    for number, label in enumerate(OTHER_LABELS)
]
LONG_EMAIL = "a.very.long.address.that.somebody.really.has" + "x" * 40 + "@mail.department.university.example.org"
RIGHT_TO_LEFT_ACCOUNT = {"name": "عائشة بنت محمد", "username": "aisha7", "email": "aisha@example.org"}
LONG_ACCOUNT = {"name": LONG_NAME, "username": "wonderful", "email": LONG_EMAIL}
WAY_BY_PASSWORD = {"kind": "password", "url": "/login"}
WAY_BY_PASSKEY = {"kind": "passkey", "url": "/login?interaction=i-1"}
WAYS = [
    WAY_BY_PASSWORD,
    {"kind": "provider", "name": "github", "label": "GitHub", "action": "/upstream/github"},
    {"kind": "provider", "name": "acme", "label": OTHER_LABELS[2], "action": "/upstream/acme"},
]
METHOD = {
    "label": "Google",
    "email": "ada@example.org",
    "linked_at": "November 21, 2026 at 12:18:07\u202fPM UTC",
    "last_used_at": "November 22, 2026 at 8:05:59\u202fAM UTC",
    "is_available": True,
    "key": "k-1",
    "can_unlink": True,
    "button_id": "unlink-google",
    "kind": "google",
}
OTHER_METHOD = {name: value for name, value in METHOD.items() if name != "kind"}
HARD_METHODS = [
    METHOD,
    {
        **OTHER_METHOD,
        "label": HOSTILE,
        "email": LONG_EMAIL,
        "key": "k-2",
        "button_id": "unlink-2",
        "is_available": False,
    },
    {
        **OTHER_METHOD,
        "label": RIGHT_TO_LEFT,
        "email": None,
        "key": "k-3",
        "button_id": "unlink-3",
        "last_used_at": None,
    },
]
TOKEN = {
    "name": "id_token",
    "raw": "eyJhbGciOiJSUzI1NiJ9" * 20 + "." + "eyJpc3MiOiJodHRwIn0" * 60 + "." + "c2lnbmF0dXJl" * 28,
    "header": '{\n  "alg": "RS256"\n}',
    "claims": '{\n  "iss": "http://localhost:8000",\n  "long": "' + "x" * 300 + '"\n}',
    "verified": True,
    "verification": "The signature is right.",
}
STEP = {
    "id": "token",
    "title": "Token request",
    "explanation": "The application redeems the code.",
    "request": {
        "method": "POST",
        "url": "http://localhost:8000/token",
        "headers": [["Content-Type", "application/x-www-form-urlencoded"]],
        "params": [["code", "c" * 200], ["code_verifier", "v" * 43]],
    },
    "response": {"status": 200, "body": '{\n  "token_type": "Bearer"\n}'},
    "tokens": [TOKEN, {**TOKEN, "name": "access_token", "verified": False, "verification": "No such key."}],
    "problem": None,
    "ok": True,
}
REFUSED_STEP = {**STEP, "id": "userinfo", "request": None, "tokens": [], "problem": "The server refused.", "ok": False}
DEMO = {
    "username": "demo",
    "password": "a-random-one",
    "clients": [
        {"client_id": "demo-web", "is_public": False, "redirect_uris": ["http://127.0.0.1:9000/callback"]},
        {"client_id": "demo-mobile", "is_public": True, "redirect_uris": ["com.example.app:/cb"]},
    ],
}
FIELDS = ("scope", "prompt", "response_mode", "max_age", "login_hint", "acr_values", "ui_locales", "claims", "resource")
REFERENCE = "01JZ8Q4M0K3W7D5S2R9T6V1XYB"

PROOF_OF_WORK = Widget(
    "proof_of_work", "proof", "sign_in", {}, is_posted_by_us=True, challenge="c" * 90, puzzles=16, bits=9
)

STEP_PAGE: dict[str, Any] = {"action": "/here", "interaction_id": "i-1", "client": CLIENT, "account": ACCOUNT}
LOGIN: dict[str, Any] = {
    **STEP_PAGE,
    "errors": [],
    "notice": None,
    "username": "",
    "has_password_form": True,
    "recover_url": "/recover",
    "sign_up_url": "/sign-up",
    "captcha": None,
    "passkey": None,
    "providers": [],
    "unproven": [],
    "return_to": "",
}
SIGN_UP: dict[str, Any] = {
    "action": "/sign-up",
    "interaction_id": "i-1",
    "return_to": "",
    "client": CLIENT,
    "invitation": "",
    "invited_email": None,
    "fields": [
        {"name": "given_name", "required": False},
        {"name": "family_name", "required": False},
        {"name": "username", "required": True},
        {"name": "email", "required": True},
        {"name": "phone_number", "required": False},
    ],
    "typed": {},
    "password": {"min_length": 8, "max_length": 256},
    "captcha": None,
    "errors": [],
    "login_url": None,
}
CONFIRM: dict[str, Any] = {
    "action": "/sign-up/confirm",
    "client": CLIENT,
    "token": "",
    "email": "ada@example.org",
    "is_same_browser": True,
    "is_waiting": False,
    "is_done": False,
    "again_url": "/sign-up?interaction=i-1",
    "errors": [],
}
RECOVER: dict[str, Any] = {
    "action": "/recover",
    "interaction_id": "i-1",
    "client": CLIENT,
    "email": "",
    "was_sent": False,
    "captcha": None,
    "errors": [],
    "login_url": "/login?interaction=i-1",
}
RESET: dict[str, Any] = {
    "action": "/recover/reset",
    "token": "t-1",
    "username": "ada",
    "password": {"min_length": 8, "max_length": 256},
    "errors": [],
}
MESSAGE: dict[str, Any] = {
    "client": None,
    "is_good": True,
    "title": "Your address is confirmed",
    "message": "Your account is made.",
    "advice": "Go back to where you began, and continue there; or sign in here.",
    "next_url": "/login",
    "next_label": "Sign in",
    "reference": None,
}
CONSENT: dict[str, Any] = {
    **STEP_PAGE,
    "scopes": TWELVE_SCOPES[:3],
    "claims": [],
    "resources": [],
    "offline": False,
    "redirect_host": "shop.example.com",
    "confirms_only": False,
}
HOME: dict[str, Any] = {
    "issuer": "http://localhost:8000",
    "discovery_url": "http://localhost:8000/.well-known/openid-configuration",
    "jwks_url": "http://localhost:8000/jwks",
    "playground_url": "/playground",
    "is_development": True,
    "keep_url": None,
    "account": None,
    "logout_url": "/logout",
    "account_url": "/account",
    "admin_url": None,
    "demo": DEMO,
}
ADMIN_ENTRY: dict[str, Any] = {
    "client_id": "iexi6sgzrgsm5ihljyyrlvzp44",
    "name": "Shop",
    "kind": "Next.js, Auth.js 5",
    "is_public": False,
    "is_first_party": True,
    "is_disabled": False,
    "created_at": "November 21, 2026",
    "url": "/admin/clients/iexi6sgzrgsm5ihljyyrlvzp44",
}
HARD_ENTRY = {
    **ADMIN_ENTRY,
    "client_id": "x" * 128,
    "name": HOSTILE,
    "kind": None,
    "is_public": True,
    "is_first_party": False,
    "is_disabled": True,
    "created_at": None,
}
ADMIN_CLIENTS = {"clients": [ADMIN_ENTRY, HARD_ENTRY, {**ADMIN_ENTRY, "name": LONG_NAME}]}
ADMIN_CLIENT: dict[str, Any] = {
    "client": ADMIN_ENTRY,
    "facts": [("Client ID", "iexi6sgzrgsm5ihljyyrlvzp44"), ("Authentication", "client_secret_basic")],
    "lists": [("Redirect URIs", ("https://shop.example.com/callback", "http://localhost:3000/callback"))],
    "files": [
        {"path": ".env.local", "content": 'ISSUER="https://id.example.com"\n'},
        {"path": "app/api/auth/[...nextauth]/route.ts", "content": f"export const url = '{'x' * 300}';\n" * 60},
    ],
    "is_unwritable": False,
    "list_url": "/admin/clients",
}
HARD_ADMIN_CLIENT = {
    **ADMIN_CLIENT,
    "client": HARD_ENTRY,
    "facts": [("Client ID", "x" * 128), ("Home page", "https://example.com/" + "x" * 400)],
    "files": [],
    "is_unwritable": True,
}
ERROR: dict[str, Any] = {
    "title": "This application is not known here",
    "message": "The link names an application that is not registered.",
    "advice": "Go back and try again.",
    "error": "invalid_request",
    "description": "The client_id names no client.",
    "reference": REFERENCE,
    "status": 400,
}
CONFLICT: dict[str, Any] = {
    "client": CLIENT,
    "provider": "Google",
    "email": "ada@example.org",
    "names_ways": True,
    "ways": WAYS,
    "account": None,
    "can_link": False,
    "can_start_new": False,
    "action": "/here",
    "pending": "p-1",
    "interaction_id": "i-1",
    "return_to": "",
}
LINK: dict[str, Any] = {**STEP_PAGE, "provider": "Google", "email": "ada.private@example.com", "pending": "p-1"}
TROUBLE: dict[str, Any] = {
    "title": "Google did not answer",
    "message": "The answer took too long. You have not been signed in.",
    "advice": "This is mostly over after a minute.",
    "retry": {"label": "Google", "action": "/upstream/google"},
    "other_way_url": "/login?interaction=i-1",
    "client": CLIENT,
    "interaction_id": "i-1",
    "return_to": "",
    "reference": REFERENCE,
}
ACCOUNT_NAV = [
    {"id": name.lower().split()[0], "label": name, "url": f"/account/{number}", "current": number == 2}
    for number, name in enumerate(
        ("Overview", "Profile", "E-mail", "Password", "Second factors", "Devices", "Apps with access", "History")
        + ("Your data", "Delete the account", "Sign out")
    )
]
ACCOUNT_FRAME: dict[str, Any] = {
    "account": ACCOUNT,
    "nav": ACCOUNT_NAV,
    "is_fresh": True,
    "sign_in_again_url": "/login?to=account-email&again=1",
    "errors": [],
    "notice": None,
    "action": "/here",
}
PROFILE: dict[str, Any] = {
    **ACCOUNT_FRAME,
    "values": {
        "given_name": "Ada",
        "family_name": "Lovelace",
        "username": "ada",
        "phone_number": "+41 21 123 45 67",
        "picture": "https://example.com/ada.png",
        "locale": "en",
        "birthdate": "1815-12-10",
        "website": "https://ada.example.com",
    },
    "languages": dict(LANGUAGES),
}
HARD_PROFILE: dict[str, Any] = {
    **PROFILE,
    "values": {**dict.fromkeys(PROFILE["values"], HOSTILE), "locale": "de-CH"},
    "errors": [{"field": name, "message": "Please look at this again."} for name in PROFILE["values"]],
}
EMAIL_PAGE: dict[str, Any] = {**ACCOUNT_FRAME, "email": "ada@example.org", "is_confirmed": True, "typed": ""}
EMAIL_CONFIRM: dict[str, Any] = {**ACCOUNT_FRAME, "again_url": "/account/email", "token": "", "email": LONG_EMAIL}
PASSWORD_PAGE: dict[str, Any] = {
    **ACCOUNT_FRAME,
    "has_password": True,
    "may_change": True,
    "ends_others": True,
    "changed_at": "November 21, 2026",
    "password": {"min_length": 8, "max_length": 256},
}
FACTORS_PAGE: dict[str, Any] = {
    **ACCOUNT_FRAME,
    "is_on": True,
    "totp": {"created_at": "November 21, 2026", "last_used_at": "November 22, 2026"},
    "passkeys": [{"name": "Phone", "last_used_at": "November 22, 2026"}, {"name": HOSTILE, "last_used_at": None}],
    "codes_left": 9,
    "totp_url": "/account/totp",
    "remove_totp_action": "/account/totp/remove",
    "passkeys_url": "/account/passkeys",
    "codes_url": "/account/recovery-codes",
}
A_SESSION = {
    "sid": "s-1",
    "browser": "Firefox on Linux",
    "address": "192.0.2.…",
    "began_at": "Nov 21, 2026, 12:18:07 UTC",
    "last_seen_at": "Nov 22, 2026, 8:05:59 UTC",
    "provider": None,
    "is_current": True,
}
SESSIONS_PAGE: dict[str, Any] = {
    **ACCOUNT_FRAME,
    "sessions": [
        A_SESSION,
        {**A_SESSION, "sid": "s-2", "is_current": False, "provider": RIGHT_TO_LEFT, "address": "2001:db8:85a3:8d3:…"},
        {**A_SESSION, "sid": "s-3", "is_current": False, "browser": "Unknown browser", "address": None},
    ],
    "trusted": [{**A_SESSION, "key": "k-1", "until": "Dec 21, 2026, 12:18:07 UTC"}],
    "end_action": "/account/sessions/end",
    "trust_action": "/account/sessions/trust",
    "logout_url": "/logout",
}
AN_APP = {
    "client_id": "demo-web",
    "name": "Demo Web",
    "client_uri": None,
    "permissions": ["See your profile", "See your e-mail address"],
    "is_lasting": True,
    "granted_at": "November 21, 2026",
    "last_used_at": "November 22, 2026",
}
APPS_PAGE: dict[str, Any] = {
    **ACCOUNT_FRAME,
    "apps": [
        AN_APP,
        {**AN_APP, "client_id": "two", "name": HOSTILE, "is_lasting": False, "last_used_at": None},
        {**AN_APP, "client_id": "three", "name": LONG_NAME, "permissions": [f"Manage {n}" for n in range(12)]},
    ],
}
ACCOUNT_PAGE: dict[str, Any] = {
    **ACCOUNT_FRAME,
    "has_password": True,
    "methods": [METHOD],
    "unlink_action": "/account/unlink",
    "offers": SIX_PROVIDERS[1:],
    "sign_in_again_url": "/login?to=account",
    "waiting": None,
    "logout_url": "/logout",
}
WAITING = {"provider": "Google", "email": "ada.private@example.com", "action": "/account/link", "pending": "p-1"}
PLAYGROUND: dict[str, Any] = {
    "action": "/here",
    "values": dict.fromkeys(FIELDS, ""),
    "errors": [],
    "notice": None,
    "response_modes": [("", "default"), ("form_post", "form_post")],
}
RESULT: dict[str, Any] = {
    "action": "/here",
    "steps": [STEP, REFUSED_STEP],
    "ok": False,
    "available": ["userinfo", "refresh", "introspect", "revoke"],
    "sign_out_url": "/logout",
    "start_url": "/playground",
}
HOSTILE_CLIENT = {**CLIENT, "name": HOSTILE}
LARGE_CONSENT = {
    "client": BARE_CLIENT,
    "scopes": TWELVE_SCOPES,
    "claims": ["Date of birth", "Postal address"],
    "resources": [
        {"identifier": "https://api.example.com/" + "long/" * 30, "name": None},
        {"identifier": "https://api.example.com/orders", "name": "Orders"},
    ],
    "offline": True,
}

# sample: (template, id of the page's container, variables)
REFUSAL: dict[str, Any] = {
    "id": "1a2b3c4d5e6f7a8b",
    "url": "/dev/inspect/1a2b3c4d5e6f7a8b",
    "at": "2026-11-21T18:30:00Z",
    "error": "invalid_request",
    "description": HOSTILE,
    "endpoint": "GET /authorize",
    "client_id": "x" * 128,
}
REFUSED: dict[str, Any] = {
    **REFUSAL,
    "description": "redirect_uri is not one that is registered for this application.",
    "network": "203.0.113.0/24",
    "findings": [
        {
            "check": "redirect_uri",
            "others": ["https://app.example.com/" + "a-long-path/" * 20, "http://127.0.0.1/callback"],
            "received": "http://app.example.com/Callback/",
            "hint": "The scheme is http, not https; capital and small letters of the path differ.",
            "pieces": [
                {"expected": "http", "received": "http", "same": True},
                {"expected": "s", "received": "", "same": False},
                {"expected": "://app.example.com/", "received": "://app.example.com/", "same": True},
                {"expected": "c", "received": "C", "same": False},
                {"expected": "allback", "received": "allback", "same": True},
                {"expected": "", "received": "/", "same": False},
            ],
        },
        {"check": HOSTILE, "others": [], "received": None, "hint": "", "pieces": []},
        {"check": "code", "others": [LONG_NAME], "received": "y" * 300, "hint": LONG_NAME, "pieces": []},
    ],
    "sent": [{"name": "client_id", "value": "x" * 128}, {"name": "state", "value": "(43 characters)"}],
    "list_url": "/dev/inspect",
}
DEV_MAIL: dict[str, Any] = {
    "recipient": "ada@example.org",
    "subject": "Confirm your address",
    "state": "kept",
    "error": None,
    "text": f"Hello,\n\nhttps://id.example.com/sign-up/confirm?token={'x' * 43}\n\n{HOSTILE}\n",
    "links": [{"url": "https://id.example.com/sign-up/confirm?token=x", "path": "/sign-up/confirm"}],
    "html": f"<p>{HOSTILE}</p>" * 9,
    "list_url": "/dev/mail",
}
DEV_MAILS = [
    {
        "url": "/dev/mail/3",
        "recipient": "ada@example.org",
        "subject": "Confirm your address",
        "state": "kept",
        "error": None,
        "id": 3,
    },
    {"url": "/dev/mail/2", "recipient": LONG_EMAIL, "subject": HOSTILE, "state": "sent", "error": None, "id": 2},
    {"url": None, "recipient": HOSTILE, "subject": "test", "state": "failed", "error": "550 5.1.1", "id": 1},
]

HISTORY: dict[str, Any] = {
    **ACCOUNT_FRAME,
    "events": [
        {
            "text": "Signed in",
            "more": [],
            "at": "Nov 21, 2026, 3:22:07\u202fPM UTC",
            "address": "192.0.2.1",
            "is_alarming": False,
        },
        {
            "text": "An application was given access",
            "more": [HOSTILE, LONG_NAME],
            "at": "Nov 21, 2026, 3:22:07\u202fPM UTC",
            "address": "2001:db8:85a3:8d3:1319:8a2e:370:7348",
            "is_alarming": False,
        },
        {
            "text": "A sign-in did not succeed",
            "more": [RIGHT_TO_LEFT],
            "at": "Nov 20",
            "address": None,
            "is_alarming": True,
        },
    ],
    "older_url": "/account/history?before=3",
    "newest_url": "/account/history",
    "password_url": "/account/password",
}
DELETE: dict[str, Any] = {
    **ACCOUNT_FRAME,
    "keep_url": "/keep-account",
    "deletes_on": None,
    "would_delete_on": "Dec 5, 2026, 3:22:07\u202fPM UTC",
}
KEEP: dict[str, Any] = {
    "action": "/keep-account",
    "interaction_id": None,
    "token": None,
    "client": None,
    "account": ACCOUNT,
    "deletes_on": "Dec 5, 2026, 3:22:07\u202fPM UTC",
}
UNTICKED = [{"field": "understood", "message": "Tick the box if you are sure."}]
QR = '<svg viewBox="0 0 9 9" class="qr"><path fill="#fff" d="M0 0h9v9h-9z"/><path fill="#000" d="M1 1h4v4h-4z"/></svg>'
PASSKEY_OPTIONS = {"challenge": "AAAA", "rpId": "localhost", "allowCredentials": [], "userVerification": "required"}
FACTOR: dict[str, Any] = {
    **STEP_PAGE,
    "return_to": "",
    "has_totp": True,
    "passkey_options": None,
    "has_passkeys": False,
    "has_codes": True,
    "trusted_days": 30,
    "may_skip": False,
    "errors": [],
}
TOTP: dict[str, Any] = {
    **STEP_PAGE,
    "client": None,
    "interaction_id": "",
    "return_to": "",
    "is_required": False,
    "svg": QR,
    "secret": "ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567",
    "uri": "otpauth://totp/idp:ada?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=idp",
    "replaces": False,
    "back_url": "/account/factors",
    "errors": [],
}
WRONG_CODE = {"field": "code", "message": "This code does not fit. Check the time of your device."}
CODES: dict[str, Any] = {
    "codes": [f"ABCD-EFGH-IJKL-MNOP-QRST-UV{number}{number}" for number in range(2, 8)] + ["WWWW-" * 5 + "WWWW"] * 4,
    "left": 10,
    "download_url": "data:text/plain;charset=utf-8,ABCD",
    "next_url": "/account/factors",
    "action": None,
    "account": ACCOUNT,
    "errors": [],
}
A_PASSKEY = {
    "key": "k-1",
    "name": "Phone",
    "created_at": "November 21, 2026",
    "last_used_at": "November 22, 2026",
    "backed_up": True,
}
PASSKEYS: dict[str, Any] = {
    "account": ACCOUNT,
    "passkeys": [A_PASSKEY],
    "options": PASSKEY_OPTIONS,
    "action": "/here",
    "remove_action": "/there",
    "max_name_length": 100,
    "back_url": "/account/factors",
    "errors": [],
}
REMOVE_FACTOR: dict[str, Any] = {
    "action": "/here",
    "fields": {"key": "k-1"},
    "account": ACCOUNT,
    "factor": "Phone",
    "is_needed": False,
    "next_url": "/account/factors",
    "errors": [],
}

SAMPLES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "dev-refusals": (
        "dev_refusals",
        "dev-refusals-page",
        {"refusals": [REFUSAL, {**REFUSAL, "id": "00", "client_id": None}]},
    ),
    "dev-refusals-none": ("dev_refusals", "dev-refusals-page", {"refusals": []}),
    "dev-refusal": ("dev_refusal", "dev-refusal-page", REFUSED),
    "dev-refusal-bare": (
        "dev_refusal",
        "dev-refusal-page",
        {**REFUSED, "client_id": None, "network": None, "findings": [], "sent": []},
    ),
    "dev-mails": ("dev_mails", "dev-mails-page", {"mails": DEV_MAILS}),
    "dev-mails-none": ("dev_mails", "dev-mails-page", {"mails": []}),
    "dev-mail": ("dev_mail", "dev-mail-page", DEV_MAIL),
    "dev-mail-failed": ("dev_mail", "dev-mail-page", {**DEV_MAIL, "state": "failed", "error": "550 5.1.1"}),
    "login": ("login", "login-page", LOGIN),
    "login-no-client": ("login", "login-page", {**LOGIN, "client": None}),
    "login-captcha": (
        "login",
        "login-page",
        {**LOGIN, "captcha": PROOF_OF_WORK, "errors": [{"field": "captcha", "message": "Please try once more."}]},
    ),
    "login-errors": ("login", "login-page", {**LOGIN, "client": BARE_CLIENT, "errors": FIELD_ERRORS}),
    "login-refused": (
        "login",
        "login-page",
        {**LOGIN, "username": "ada", "notice": "Again, please.", "errors": [{"field": None, "message": "Wrong."}]},
    ),
    "login-providers": ("login", "login-page", {**LOGIN, "providers": SIX_PROVIDERS, "unproven": ["Apple", "GitHub"]}),
    "login-many-providers": (
        "login",
        "login-page",
        {
            **LOGIN,
            "client": BARE_CLIENT,
            "providers": TWELVE_PROVIDERS,
            "unproven": OTHER_LABELS,
            "return_to": "account",
        },
    ),
    "login-providers-only": ("login", "login-page", {**LOGIN, "has_password_form": False, "providers": SIX_PROVIDERS}),
    "login-no-way": ("login", "login-page", {**LOGIN, "has_password_form": False}),
    "sign-up": ("sign_up", "sign-up-page", SIGN_UP),
    "sign-up-errors": (
        "sign_up",
        "sign-up-page",
        {**SIGN_UP, "client": BARE_CLIENT, "errors": FIELD_ERRORS, "typed": {"username": HOSTILE, "email": LONG_EMAIL}},
    ),
    "sign-up-invited": (
        "sign_up",
        "sign-up-page",
        {**SIGN_UP, "client": None, "invitation": "v-1", "invited_email": LONG_EMAIL, "login_url": "/login"},
    ),
    "confirm": ("confirm", "confirm-page", CONFIRM),
    "confirm-wrong": (
        "confirm",
        "confirm-page",
        {**CONFIRM, "email": LONG_EMAIL, "errors": [{"field": "code", "message": "This code is not right."}]},
    ),
    "confirm-waiting": ("confirm", "confirm-page", {**CONFIRM, "client": None, "is_waiting": True}),
    "confirm-link": ("confirm", "confirm-page", {**CONFIRM, "token": "t-1", "client": None}),
    "confirm-elsewhere": (
        "confirm",
        "confirm-page",
        {**CONFIRM, "token": "t-1", "client": None, "email": LONG_EMAIL, "is_same_browser": False},
    ),
    "confirm-done": ("confirm", "confirm-page", {**CONFIRM, "is_done": True}),
    "recover": ("recover", "recover-page", RECOVER),
    "recover-sent": ("recover", "recover-page", {**RECOVER, "client": None, "was_sent": True}),
    "recover-errors": (
        "recover",
        "recover-page",
        {**RECOVER, "email": HOSTILE, "errors": [{"field": "email", "message": "Enter an e-mail address."}]},
    ),
    "reset": ("reset", "reset-page", RESET),
    "reset-errors": ("reset", "reset-page", {**RESET, "username": LONG_NAME, "errors": FIELD_ERRORS[1:]}),
    "message": ("message", "message-page", MESSAGE),
    "message-bad": (
        "message",
        "message-page",
        {**MESSAGE, "client": CLIENT, "is_good": False, "advice": None, "reference": REFERENCE},
    ),
    "login-passkey": (
        "login",
        "login-page",
        {**LOGIN, "passkey": {"action": "/login/passkey", "options": PASSKEY_OPTIONS}, "providers": SIX_PROVIDERS[:2]},
    ),
    "second-factor": ("second_factor", "second-factor-page", FACTOR),
    "second-factor-wrong": ("second_factor", "second-factor-page", {**FACTOR, "errors": [WRONG_CODE]}),
    "second-factor-everything": (
        "second_factor",
        "second-factor-page",
        FACTOR
        | {"client": BARE_CLIENT, "account": LONG_ACCOUNT, "may_skip": True, "trusted_days": 1}
        | {"has_passkeys": True, "passkey_options": PASSKEY_OPTIONS}
        | {"errors": [{"field": "recovery_code", "message": "This recovery code is wrong, or has been used."}]},
    ),
    "second-factor-passkey": (
        "second_factor",
        "second-factor-page",
        FACTOR
        | {"client": None, "has_totp": False, "has_codes": False}
        | {"has_passkeys": True, "passkey_options": PASSKEY_OPTIONS},
    ),
    "totp": ("totp", "totp-page", TOTP),
    "totp-required": (
        "totp",
        "totp-page",
        {**TOTP, "client": BARE_CLIENT, "is_required": True, "back_url": None, "errors": [WRONG_CODE]},
    ),
    "totp-replaces": ("totp", "totp-page", {**TOTP, "replaces": True, "account": RIGHT_TO_LEFT_ACCOUNT}),
    "recovery-codes-new": ("recovery_codes", "recovery-codes-page", CODES),
    "recovery-codes-left": (
        "recovery_codes",
        "recovery-codes-page",
        {**CODES, "codes": None, "left": 1, "download_url": None, "action": "/here"},
    ),
    "passkeys": ("passkeys", "passkeys-page", PASSKEYS),
    "passkeys-none": ("passkeys", "passkeys-page", {**PASSKEYS, "passkeys": [], "options": None}),
    "passkeys-hard": (
        "passkeys",
        "passkeys-page",
        PASSKEYS
        | {"errors": [{"field": None, "message": "The passkey could not be added. Try again."}]}
        | {
            "passkeys": [
                {**A_PASSKEY, "name": HOSTILE, "last_used_at": None, "backed_up": False},
                {**A_PASSKEY, "name": "x" * 100},
                {**A_PASSKEY, "name": RIGHT_TO_LEFT},
            ]
        },
    ),
    "remove-factor": ("remove_factor", "remove-factor-page", REMOVE_FACTOR),
    "remove-factor-needed": (
        "remove_factor",
        "remove-factor-page",
        {**REMOVE_FACTOR, "is_needed": True, "factor": HOSTILE},
    ),
    "conflict": ("conflict", "conflict-page", CONFLICT),
    "conflict-unnamed": ("conflict", "conflict-page", {**CONFLICT, "names_ways": False, "can_start_new": True}),
    "conflict-can-link": (
        "conflict",
        "conflict-page",
        {**CONFLICT, "client": None, "account": ACCOUNT, "can_link": True, "ways": [WAY_BY_PASSWORD]},
    ),
    "conflict-elsewhere": (
        "conflict",
        "conflict-page",
        {**CONFLICT, "ways": [WAY_BY_PASSKEY, {**WAYS[1], "url": "/login?to=account"}], "has_way_elsewhere": True},
    ),
    "conflict-everything": (
        "conflict",
        "conflict-page",
        CONFLICT
        | {"client": BARE_CLIENT, "provider": RIGHT_TO_LEFT, "email": LONG_EMAIL, "account": LONG_ACCOUNT}
        | {"can_link": True, "can_start_new": True},
    ),
    "link": ("link", "link-page", LINK),
    "link-hard": (
        "link",
        "link-page",
        {**LINK, "client": BARE_CLIENT, "account": LONG_ACCOUNT, "provider": OTHER_LABELS[2], "email": LONG_EMAIL},
    ),
    "link-right-to-left": (
        "link",
        "link-page",
        {**LINK, "client": None, "account": RIGHT_TO_LEFT_ACCOUNT, "provider": RIGHT_TO_LEFT, "email": None},
    ),
    "link-hostile": ("link", "link-page", {**LINK, "provider": HOSTILE, "email": HOSTILE}),
    "trouble": ("trouble", "trouble-page", TROUBLE),
    "trouble-no-retry": ("trouble", "trouble-page", {**TROUBLE, "advice": None, "retry": None}),
    "trouble-account": (
        "trouble",
        "trouble-page",
        {**TROUBLE, "client": None, "retry": None, "other_way_url": "/account", "return_to": "account"},
    ),
    "trouble-dead-end": (
        "trouble",
        "trouble-page",
        {**TROUBLE, "retry": None, "other_way_url": None, "reference": None},
    ),
    "account": ("account", "account-page", ACCOUNT_PAGE),
    "account-waiting": (
        "account",
        "account-page",
        {**ACCOUNT_PAGE, "is_fresh": False, "waiting": WAITING, "notice": "Google is unlinked from your account."},
    ),
    "account-one-way": (
        "account",
        "account-page",
        {**ACCOUNT_PAGE, "has_password": False, "methods": [{**METHOD, "can_unlink": False}], "offers": []},
    ),
    "account-one-way-and-passkeys": (
        "account",
        "account-page",
        {**ACCOUNT_PAGE, "has_password": False, "has_passkey": True, "methods": [{**METHOD, "can_unlink": False}]},
    ),
    "account-hard": (
        "account",
        "account-page",
        ACCOUNT_PAGE
        | {"account": LONG_ACCOUNT, "methods": HARD_METHODS, "offers": TWELVE_PROVIDERS}
        | {"waiting": {**WAITING, "provider": RIGHT_TO_LEFT, "email": None}}
        | {"errors": [{"field": None, "message": "This is already linked to another account."}]},
    ),
    "account-profile": ("account_profile", "account-profile-page", {**PROFILE, "notice": "Your profile is saved."}),
    "account-profile-hard": ("account_profile", "account-profile-page", HARD_PROFILE),
    "account-profile-stale": ("account_profile", "account-profile-page", {**PROFILE, "is_fresh": False}),
    "account-email": ("account_email", "account-email-page", EMAIL_PAGE),
    "account-email-stale": (
        "account_email",
        "account-email-page",
        {**EMAIL_PAGE, "is_fresh": False, "is_confirmed": False, "email": LONG_EMAIL},
    ),
    "account-email-none": (
        "account_email",
        "account-email-page",
        {**EMAIL_PAGE, "email": None, "is_confirmed": False, "errors": [{"field": "email", "message": "Wrong."}]},
    ),
    "account-email-confirm": ("account_email_confirm", "account-email-confirm-page", EMAIL_CONFIRM),
    "account-email-confirm-link": (
        "account_email_confirm",
        "account-email-confirm-page",
        {**EMAIL_CONFIRM, "token": "t-1"},
    ),
    "account-email-undo": (
        "account_email_undo",
        "account-email-undo-page",
        {"action": "/here", "token": "t-1", "email": "a…@example.org", "errors": []},
    ),
    "account-password": ("account_password", "account-password-page", PASSWORD_PAGE),
    "account-password-first": (
        "account_password",
        "account-password-page",
        {**PASSWORD_PAGE, "has_password": False, "changed_at": None, "ends_others": False},
    ),
    "account-password-stale": (
        "account_password",
        "account-password-page",
        {**PASSWORD_PAGE, "is_fresh": False, "may_change": False},
    ),
    "account-password-errors": (
        "account_password",
        "account-password-page",
        {
            **PASSWORD_PAGE,
            "errors": [
                {"field": name, "message": "Please look at this again."}
                for name in ("current_password", "password", "password_again")
            ],
        },
    ),
    "account-factors": ("account_factors", "account-factors-page", FACTORS_PAGE),
    "account-factors-none": (
        "account_factors",
        "account-factors-page",
        {**FACTORS_PAGE, "is_on": False, "totp": None, "passkeys": [], "codes_left": 0},
    ),
    "account-sessions": ("account_sessions", "account-sessions-page", SESSIONS_PAGE),
    "account-sessions-stale": (
        "account_sessions",
        "account-sessions-page",
        {**SESSIONS_PAGE, "is_fresh": False, "trusted": [], "notice": "Signed out there."},
    ),
    "account-apps": ("account_apps", "account-apps-page", APPS_PAGE),
    "account-apps-none": ("account_apps", "account-apps-page", {**APPS_PAGE, "apps": []}),
    "account-history": ("account_history", "account-history-page", HISTORY),
    "account-history-empty": (
        "account_history",
        "account-history-page",
        {**HISTORY, "events": [], "older_url": None, "newest_url": None, "password_url": None},
    ),
    "account-data": ("account_data", "account-data-page", ACCOUNT_FRAME),
    "account-data-stale": ("account_data", "account-data-page", {**ACCOUNT_FRAME, "is_fresh": False}),
    "account-delete": ("account_delete", "account-delete-page", DELETE),
    "account-delete-errors": ("account_delete", "account-delete-page", {**DELETE, "errors": UNTICKED}),
    "account-delete-at-once": ("account_delete", "account-delete-page", {**DELETE, "would_delete_on": None}),
    "account-delete-stale": ("account_delete", "account-delete-page", {**DELETE, "is_fresh": False}),
    "account-delete-asked": ("account_delete", "account-delete-page", {**DELETE, "deletes_on": "Dec 5, 2026"}),
    "keep-account": ("keep_account", "keep-account-page", KEEP),
    "keep-account-client": (
        "keep_account",
        "keep-account-page",
        {**KEEP, "interaction_id": "i-1", "client": BARE_CLIENT, "account": LONG_ACCOUNT},
    ),
    "keep-account-link": ("keep_account", "keep-account-page", {**KEEP, "token": "t-1", "account": None}),
    "home-leaving": ("home", "home-page", {**HOME, "account": ACCOUNT, "keep_url": "/keep-account"}),
    "select-account": ("select_account", "select-account-page", STEP_PAGE),
    "consent": ("consent", "consent-page", CONSENT),
    "consent-confirm": ("consent", "consent-page", {**CONSENT, "confirms_only": True, "redirect_host": None}),
    "consent-large": ("consent", "consent-page", CONSENT | LARGE_CONSENT),
    "consent-hostile": ("consent", "consent-page", {**CONSENT, "client": HOSTILE_CLIENT}),
    "logout": ("logout", "logout-page", {**STEP_PAGE, "fields": {"state": HOSTILE, "ui_locales": "fr"}}),
    "logout-plain": ("logout", "logout-page", {**STEP_PAGE, "client": None, "account": None, "fields": {}}),
    "logged-out": ("logged_out", "logged-out-page", {"client": CLIENT}),
    "error": ("error", "error-page", ERROR),
    "error-in-development": ("error", "error-page", {**ERROR, "inspect_url": "/dev/inspect/1a2b3c4d5e6f7a8b"}),
    "error-short": ("error", "error-page", {**ERROR, "advice": None, "error": None, "description": None}),
    "expired": ("expired", "error-page", {"client": CLIENT, "status": 400, "reference": REFERENCE}),
    "expired-no-client": ("expired", "error-page", {"client": None, "status": 400, "reference": None}),
    "form-post": (
        "form_post",
        "form-post-page",
        {"client": None, "redirect_uri": "https://rp.example/cb", "params": {"state": HOSTILE, "submit": "a"}},
    ),
    "home": ("home", "home-page", HOME),
    "admin-clients": ("admin_clients", "admin-clients-page", ADMIN_CLIENTS),
    "admin-clients-none": ("admin_clients", "admin-clients-page", {"clients": []}),
    "admin-client": ("admin_client", "admin-client-page", ADMIN_CLIENT),
    "admin-client-hard": ("admin_client", "admin-client-page", HARD_ADMIN_CLIENT),
    "admin-client-no-files": ("admin_client", "admin-client-page", {**ADMIN_CLIENT, "files": []}),
    "home-admin": ("home", "home-page", {**HOME, "account": ACCOUNT, "admin_url": "/admin/clients"}),
    "home-production": (
        "home",
        "home-page",
        {**HOME, "playground_url": None, "is_development": False, "account": ACCOUNT, "demo": None},
    ),
    "playground": ("playground", "playground-page", PLAYGROUND),
    "playground-errors": (
        "playground",
        "playground-page",
        {**PLAYGROUND, "errors": [{"field": "claims", "message": "This is not a JSON object."}]},
    ),
    "playground-signed-out": ("playground", "playground-page", {**PLAYGROUND, "notice": "You are signed out."}),
    "playground-result": ("playground_result", "playground-page", RESULT),
}


def _find_locale() -> str:
    return request.args.get("lang", "en")


def _frame() -> dict[str, Any]:
    """What every page is given."""
    locale = _find_locale()
    links = [
        {"code": code, "label": label, "url": f"?lang={code}", "current": code == locale} for code, label in LANGUAGES
    ]
    return {"locale": locale, "service_name": "Northwind ID", "home_url": "/", "language_links": links}


def _show(sample: str) -> tuple[str, dict[str, str]]:
    if sample not in SAMPLES:
        abort(404)
    template, _, variables = SAMPLES[sample]
    return render_template(f"pages/{template}.html", **variables), {"Content-Security-Policy": POLICY}


def _send_static(filename: str) -> Response:
    """From memory: Werkzeug's test server leaves a file open when the browser hangs up in the middle of it."""
    path = STATIC / filename
    if path.parent != STATIC or not path.is_file():
        abort(404)
    return Response(path.read_bytes(), mimetype=mimetypes.guess_type(filename)[0])


def make_samples_app() -> Flask:
    """The templates, the style sheet and the catalogues of the package, without the server behind them."""
    app = Flask(idp.__name__, static_folder=None)
    app.add_url_rule("/static/<filename>", "static", _send_static)
    app.jinja_env.undefined = jinja2.StrictUndefined
    app.jinja_env.globals["csrf_token"] = lambda: "a-csrf-token"
    Babel(app, locale_selector=_find_locale)
    app.context_processor(_frame)
    app.add_url_rule("/<sample>", view_func=_show)
    return app
