/* bench.h: how quick a PKCS#11 module is, whichever it is: pieces of work with keys in
 * the token, repeated by threads for a time. */
#ifndef HF_BENCH_H
#define HF_BENCH_H

#include "pkcs11.h"
#include "run.h"
#include "stop.h"

/* struct bench_target says whose token is measured. pin: of the user, NUL-terminated; it stays
 * until bench_close. */
struct bench_target {
	const char *module; /* a path, or a name that dlopen finds */
	const char *token;  /* its label; NULL: the first initialized one */
	const char *pin;
	const char *init_text; /* for C_Initialize, where the module wants one; or NULL */
	int wait_fd;        /* over 0: each work begins when this has come to its end */
	bool init;          /* where no token is initialized, make one with this PIN */
};

struct bench; /* a module, loaded, with a user logged in */

/* These print on standard error what went wrong. bench_loads: is that a module? bench_own says that
 * the keys made from now on are this run's own: other runs do not see them, bench_close removes them,
 * and what an earlier run could not remove because it was killed goes now. bench_close is NULL-safe. */
bool bench_loads(const char *module);
bool bench_open(const struct bench_target *t, struct bench **ret);
void bench_own(struct bench *b);
void bench_close(struct bench *b);

/* bench_work runs one piece of work; false, too, if stop_asked. objects: how many keys work on "find-"
 * has around, how many sessions "many-sessions" has. */
bool bench_work(struct bench *b, const char *work, unsigned threads, double seconds,
	unsigned objects, struct bench_result *ret);

/* bench_name names the works, one after the other; NULL: no more. bench_knows says on standard
 * error which there are if that is none. */
const char *bench_name(size_t i);
bool bench_knows(const char *work);

/* --- between labels.c, token.c and works.c ---------------------------------------- */

#define BENCH_LABEL "holdfast-bench " /* begins the label of every key made */
#define BENCH_LABEL_MAX 64

struct bench {
	CK_FUNCTION_LIST *p11;
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session; /* the user's */
	const char *pin, *init_text;
	const char *made;          /* the token that was initialized; or NULL */
	char mark[32];             /* of this run, in its keys' labels; "": they are for others, too */
	int wait_fd;
	unsigned filled;           /* keys of the token that are there to be found */
};

/* struct key_kind: how a key is made for a piece of work. */
struct key_kind {
	CK_MECHANISM_TYPE generate;
	CK_ATTRIBUTE_TYPE param; /* of the public template (pair), or of the key's */
	const void *value;
	CK_ULONG len;
	CK_BBOOL pair;
};

/* said is rv == CKR_OK, and says what was not. */
bool said(CK_RV rv, const char *what);
/* bench_label is the label of a key for that. */
void bench_label(const struct bench *b, const char *what, char ret[BENCH_LABEL_MAX]);
CK_RV bench_initialize(const struct bench *b);
bool bench_session(struct bench *b, CK_SESSION_HANDLE *ret);
bool bench_login(struct bench *b);
CK_RV bench_make_key(struct bench *b, CK_SESSION_HANDLE s, const struct key_kind *k,
	const char *label, bool token, CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret);
/* bench_find looks by CKA_LABEL or CKA_ID; 0 if there is not exactly one. */
CK_OBJECT_HANDLE bench_find(struct bench *b, CK_SESSION_HANDLE s, CK_ATTRIBUTE_TYPE by,
	const char *value, CK_OBJECT_CLASS class);
/* bench_remove_some destroys keys of this label; false: there were none. bench_unfill destroys
 * those that were made to be found. */
bool bench_remove_some(struct bench *b, const char *label);
void bench_unfill(struct bench *b);

#endif
