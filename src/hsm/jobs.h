/* jobs.h: calls that run apart from the one that began them (PKCS#11 3.2,
 * C_AsyncComplete and its kin).
 *
 * A job is a request served on a connection and in a session of its own, of the
 * same application: so it keeps that application, its login and nothing else
 * busy, and other calls of the session go on. The gate sees an ordinary call.
 * Session objects that it makes belong to the session that asked. */
#ifndef HF_JOBS_H
#define HF_JOBS_H

#include "module.h"

struct jobs;

enum hf_err jobs_new(struct jobs **ret) HF_MUST_CHECK;
/* jobs_rest lets those under way end; false: some did not, by then (monotonic, ns).
 * No other begins. */
bool jobs_rest(struct jobs *j, uint64_t until_ns);
void jobs_free(struct jobs *j); /* NULL-safe; none may be under way */

/* struct job_order: what to do. durable: all that it makes are token objects. */
struct job_order {
	enum calls_op op;
	struct slice fields;
	bool durable;
};
/* job_start begins one for the call's session, which may have one of each kind
 * under way (HF_E_OP_ACTIVE). A call sent again finds its job. */
enum hf_err job_start(struct calls_ctx *c, const struct job_order *o, uint64_t *ret_id) HF_MUST_CHECK;

/* job_take: *ret_done, and then the answer's frame, copied to the call's arena. A
 * job may be taken again until its session ends or begins another of its kind.
 * HF_E_OP_NONE: the application has no such job. */
enum hf_err job_take(struct calls_ctx *c, uint64_t id, bool *ret_done, struct slice *ret_frame)
	HF_MUST_CHECK;
/* job_keep lets a job outlive its session, for a day. HF_E_STATE_UNSAVEABLE: what
 * it makes would not. */
enum hf_err job_keep(struct calls_ctx *c, uint64_t id) HF_MUST_CHECK;
/* job_join gives a kept job to the call's session, if it is of the same user, in
 * the same role and partition; HF_E_SAVED_STATE. */
enum hf_err job_join(struct calls_ctx *c, uint64_t id, enum calls_op op) HF_MUST_CHECK;

/* jobs_forget: the session ended. */
void jobs_forget(struct jobs *j, const struct app *app, uint64_t session);

#endif
