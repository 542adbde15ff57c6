/* serve.h: connections, and the threads that answer them. */
#ifndef HF_SERVE_H
#define HF_SERVE_H

#include "config.h"
#include "hsm.h"

struct server;

/* serve_start answers clients of the listening socket with threads of its own. */
enum hf_err serve_start(struct hsm *h, int listen_fd, const struct config *c, struct server **ret)
	HF_MUST_CHECK;
/* serve_tick closes connections that stay in the middle of a request, and lets go of memory for long messages
 * of those that had none for a while. For one thread. */
void serve_tick(struct server *s);
/* serve_wake_fd is readable when hsm_stop_wanted may have become true. */
int serve_wake_fd(const struct server *s);
/* serve_stop ends the workers; false: a slow call goes on (exit without ado). */
bool serve_stop(struct server *s);

#endif
