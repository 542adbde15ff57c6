/* app.h: connections, applications and their sessions. */
#ifndef HF_APP_H
#define HF_APP_H

#include "module.h"
#include "op.h"

struct hsm_conn {
	struct hsm *hsm;
	uint64_t id; /* 1, 2, 3, ... since the start */
	struct peer peer;
	_Atomic(struct app *) app; /* NULL before hello */
	atomic_bool signs_slowly;  /* see hsm_is_slow */
};

/* app_join makes the connection part of the application with this id; HF_E_DENIED
 * if that is another user's. */
enum hf_err app_join(struct hsm_conn *c, struct slice id, struct slice program) HF_MUST_CHECK;
bool peer_is_admin(const struct hsm *h, const struct peer *p);

/* app_login_of finds the application's standing in p; app.lock. NULL: none.
 * app_login_need makes it. */
struct app_login *app_login_of(const struct app *app, const struct partition *p);
enum hf_err app_login_need(struct app *app, struct partition *p, struct app_login **ret)
	HF_MUST_CHECK;
/* app_role: how the application is logged in, and what that is restricted to. */
enum role app_role(struct app *app, const struct partition *p, struct rights *ret);

struct session_wish {
	bool rw;
	uint64_t ivs; /* session.ivs_before */
};
enum hf_err session_new(struct hsm *h, struct app *app, struct partition *p, struct session_wish w,
	uint64_t *ret) HF_MUST_CHECK;
/* session_find gives a reference, or NULL. */
struct session *session_find(struct app *app, uint64_t id);
void session_unref(struct session *s); /* NULL-safe */
/* session_end closes a session whose lock the caller holds. The last one of the
 * application in its partition logs out; revoke: and makes its tickets void. */
void session_end(struct hsm *h, struct session *s, bool revoke);
/* sessions_end closes all of the application's sessions with p (NULL: all); the
 * caller holds no session's lock. */
void sessions_end(struct hsm *h, struct app *app, const struct partition *p, bool revoke);
/* sessions_end_all closes those of every application with p. */
void sessions_end_all(struct hsm *h, const struct partition *p);

/* session_catch_up ends operations with private keys if a login ended since they
 * began. The caller holds the session's lock. */
void session_catch_up(struct session *s);

#endif
