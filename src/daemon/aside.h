/* aside.h: connections whose call was put aside (hsm.h), and the few threads that go on with those that are
 * ready. They take no client's request, so they never wait for a session: however many threads do
 * that, the call that has the session comes to its end. */
#ifndef HF_ASIDE_H
#define HF_ASIDE_H

#include "conn.h"
#include "lock.h"
#include "wait.h"

#define ASIDE_THREADS 3u /* one leads a commit, one waits for its records, one goes on with the others */

/* struct aside_server: go_on gets a connection that is ready, and hands it over; false: its call was
 * put aside once more, and aside_put is called for it. */
struct aside_server {
	bool (*go_on)(void *ctx, struct conn *c, struct lane *l);
	void *ctx;
};

struct aside {
	struct aside_server server;
	struct waiting tell;
	pthread_t thread[ASIDE_THREADS];
	_Atomic unsigned count; /* calls that are aside */
	struct mutex lock;      /* what follows */
	struct conn *first, **last;
	unsigned threads;
	unsigned awake;         /* of them, those that do not wait for anything */
	unsigned called;        /* of those, those that are about to wake */
	bool stopping;
	struct cond some;
};

enum hf_err aside_start(struct aside *a, const struct aside_server *s) HF_MUST_CHECK;
/* aside_stop ends the threads once no call is aside any more, and none may come. */
void aside_stop(struct aside *a);

/* aside_welcome lets calls of a new connection be put aside. */
void aside_welcome(struct aside *a, struct conn *c);
/* aside_put hands over a connection whose call was put aside. */
void aside_put(struct aside *a, struct conn *c);

#endif
