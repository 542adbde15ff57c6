#include "jobs.h"

#include <string.h>

#include "app.h"
#include "clock.h"
#include "object.h"
#include "partition.h"

#define RUNNING_MAX 4u  /* at once; others wait */
#define JOBS_MAX 512u   /* done ones included */
#define JOBS_OF_APP 32u
#define ANSWER_MAX 65536u
#define KEEP_NS (24ull * 3600 * 1000000000)

enum job_state { JOB_WAITS, JOB_RUNS, JOB_DONE };

struct job {
	struct job *next;
	uint64_t id;
	enum calls_op op;
	enum job_state state;
	bool durable, kept;
	bool told;                 /* its answer went out */
	bool gone;                 /* nobody can ask for it any more */
	uint64_t since_ns;
	/* Whose it is: this application's session, by this request. */
	uint8_t app[APP_ID_LEN];
	uint64_t owner, request;
	/* Who may join it. */
	struct partition *part;    /* a reference */
	uint64_t uid;
	enum role role;
	char user[USER_NAME_MAX + 1];
	/* To run it. */
	struct hsm_conn *conn;
	uint64_t session;
	uint16_t flags;
	struct secret fields;
	struct buf answer;         /* the response's frame */
};

struct jobs {
	struct mutex lock; /* what follows; no other lock is taken while it is held */
	struct cond ended;
	struct job *first;
	unsigned running;  /* threads */
	bool stop;
};

enum hf_err jobs_new(struct jobs **ret)
{
	struct jobs *j = hf_alloc(1, sizeof(*j));

	if (j == NULL)
		return HF_E_MEMORY;
	mutex_init(&j->lock);
	cond_init(&j->ended);
	*ret = j;
	return HF_OK;
}

/* job_free: its connection is closed already, or goes with the HSM. */
static void job_free(struct job *k)
{
	partition_unref(k->part);
	secret_done(&k->fields);
	buf_done(&k->answer);
	hf_free(k);
}

static void job_release(struct job **k)
{
	if (*k != NULL)
		job_free(*k);
}

bool jobs_rest(struct jobs *j, uint64_t until_ns)
{
	MUTEX_HOLD(&j->lock);

	j->stop = true;
	while (j->running > 0)
		if (!cond_wait_until(&j->ended, &j->lock, until_ns))
			return false;
	return true;
}

void jobs_free(struct jobs *j)
{
	struct job *k;

	if (j == NULL)
		return;
	while ((k = j->first) != NULL) {
		j->first = k->next;
		if (k->conn != NULL)
			hsm_conn_close(k->conn);
		job_free(k);
	}
	cond_done(&j->ended);
	mutex_done(&j->lock);
	hf_free(j);
}

/* --- running ------------------------------------------------------------------ */

static void serve(struct job *k, enum calls_op op, struct slice fields, struct buf *out)
{
	struct wire_head h = {
		.length = (uint32_t)fields.n,
		.opcode = (uint16_t)op,
		.flags = k->flags,
		.request = k->request,
		.session = k->session,
	};

	if (!hsm_serve(k->conn, &h, fields, out))
		out->err = HF_E_MEMORY;
}

/* leave ends the job's session, and what it made for one that is no more. */
static void leave(struct job *k, bool gone)
{
	CLEANUP(buf_done) struct buf out = BUF_MAX(ANSWER_MAX);

	if (gone)
		objects_drop_session(k->part->objects, atomic_load(&k->conn->app), k->owner, false);
	serve(k, CALLS_SESSION_CLOSE, SLICE_NONE, &out);
	hsm_conn_close(k->conn);
	k->conn = NULL;
}

/* The job is told of as done before its session goes: whoever ends the session
 * that asked from here on finds what was made. */
static void run_one(struct jobs *j, struct job *k)
{
	bool gone;

	serve(k, k->op, secret_slice(&k->fields), &k->answer);
	{
		MUTEX_HOLD(&j->lock);
		gone = k->gone;
	}
	leave(k, gone);
	MUTEX_HOLD(&j->lock);
	secret_done(&k->fields);
	k->since_ns = clock_mono_ns();
	k->state = JOB_DONE;
}

static struct job *next_waiting(struct jobs *j)
{
	struct job *k = j->first;

	while (k != NULL && k->state != JOB_WAITS)
		k = k->next;
	return j->stop ? NULL : k;
}

/* sweep frees done jobs that nobody can ask for. */
static void sweep(struct jobs *j)
{
	uint64_t now = clock_mono_ns();

	for (struct job **at = &j->first, *k; (k = *at) != NULL;) {
		bool old = k->kept && now - k->since_ns > KEEP_NS;

		if (k->state == JOB_DONE && (k->gone || old)) {
			*at = k->next;
			job_free(k);
		} else {
			at = &k->next;
		}
	}
}

static void *runner(void *arg)
{
	struct jobs *j = arg;
	struct job *k;

	mutex_lock(&j->lock);
	while ((k = next_waiting(j)) != NULL) {
		k->state = JOB_RUNS;
		mutex_unlock(&j->lock);
		run_one(j, k);
		mutex_lock(&j->lock);
		sweep(j);
	}
	j->running--;
	cond_broadcast(&j->ended);
	mutex_unlock(&j->lock);
	return NULL;
}

/* run_more sees to it that somebody runs what waits; j->lock is held. */
static enum hf_err run_more(struct jobs *j)
{
	pthread_t t;

	if (j->running >= RUNNING_MAX)
		return HF_OK;
	if (pthread_create(&t, NULL, runner, j) != 0)
		return j->running > 0 ? HF_OK : HF_E_MEMORY;
	(void)pthread_detach(t);
	j->running++;
	return HF_OK;
}

/* --- beginning ------------------------------------------------------------------ */

static bool is_of(const struct job *k, const struct app *app)
{
	return !k->gone && slice_eq(SLICE_OF(k->app), SLICE_OF(app->id));
}

static struct job *find(struct jobs *j, const struct app *app, uint64_t id)
{
	for (struct job *k = j->first; k != NULL; k = k->next)
		if (k->id == id && is_of(k, app))
			return k;
	return NULL;
}

/* enter makes the connection and the session that the job runs on. */
static enum hf_err enter(struct calls_ctx *c, struct job *k)
{
	struct slice id = { c->app->id, APP_ID_LEN };
	struct session *s;

	TRY(hsm_conn_open(c->hsm, &c->conn->peer, &k->conn));
	TRY(app_join(k->conn, id, slice_str(c->app->program)));
	TRY(session_new(c->hsm, c->app, c->part, (struct session_wish){ .rw = c->session->rw },
		&k->session));
	s = session_find(c->app, k->session);
	if (s == NULL)
		return HF_E_SESSION_CLOSED;
	s->owner = c->session->by_id.key;
	session_unref(s);
	return HF_OK;
}

static enum hf_err job_new(struct calls_ctx *c, const struct job_order *o, struct job **ret)
{
	CLEANUP(job_release) struct job *k = hf_alloc(1, sizeof(*k));

	if (k == NULL)
		return HF_E_MEMORY;
	*k = (struct job){
		.op = o->op, .durable = o->durable, .owner = c->session->by_id.key,
		.request = c->head.request, .flags = c->head.flags, .role = c->role,
		.uid = c->conn->peer.uid, .answer = BUF_MAX(ANSWER_MAX),
	};
	memcpy(k->app, c->app->id, APP_ID_LEN);
	{
		MUTEX_HOLD(&c->app->lock);
		memcpy(k->user, c->session->login->user, sizeof(k->user));
	}
	partition_ref(c->part);
	k->part = c->part;
	TRY(crypto_random((uint8_t *)&k->id, sizeof(k->id)));
	TRY(secret_dup(o->fields, &k->fields));
	*ret = k;
	k = NULL;
	return HF_OK;
}

static bool full(const struct jobs *j, const struct app *app)
{
	size_t all = 0, of_app = 0;

	for (const struct job *k = j->first; k != NULL; k = k->next) {
		all++;
		of_app += is_of(k, app);
	}
	return all >= JOBS_MAX || of_app >= JOBS_OF_APP;
}

/* An answer is kept after it was asked for, in case it was lost on its way, while there is room. */
static void drop_told(struct jobs *j, const struct app *app)
{
	for (struct job *k = j->first; k != NULL; k = k->next)
		k->gone |= k->told && !k->kept && is_of(k, app);
	sweep(j);
}

/* make_way: is there room for one more; earlier ones of its kind go. */
static enum hf_err make_way(struct jobs *j, const struct calls_ctx *c, enum calls_op op)
{
	for (struct job *k = j->first; k != NULL; k = k->next) {
		if (!is_of(k, c->app) || k->owner != c->session->by_id.key || k->op != op)
			continue;
		if (k->state != JOB_DONE)
			return HF_E_OP_ACTIVE;
		k->gone = true;
	}
	sweep(j);
	if (full(j, c->app))
		drop_told(j, c->app);
	return j->stop || full(j, c->app) ? HF_E_JOBS : HF_OK;
}

static bool sent_before(struct jobs *j, const struct calls_ctx *c, uint64_t *ret_id)
{
	MUTEX_HOLD(&j->lock);

	if ((c->head.flags & WIRE_FLAG_REPEAT) == 0)
		return false;
	for (struct job *k = j->first; k != NULL; k = k->next)
		if (is_of(k, c->app) && k->request == c->head.request) {
			*ret_id = k->id;
			return true;
		}
	return false;
}

static enum hf_err put(struct jobs *j, const struct calls_ctx *c, struct job *k)
{
	MUTEX_HOLD(&j->lock);

	TRY(make_way(j, c, k->op));
	k->next = j->first;
	j->first = k;
	if (run_more(j) == HF_OK)
		return HF_OK;
	j->first = k->next;
	return HF_E_MEMORY;
}

/* The call holds its session's lock, so that no other of it comes between. */
enum hf_err job_start(struct calls_ctx *c, const struct job_order *o, uint64_t *ret_id)
{
	struct jobs *j = c->hsm->jobs;
	struct job *k;
	enum hf_err e;

	if (sent_before(j, c, ret_id))
		return HF_OK;
	TRY(job_new(c, o, &k));
	*ret_id = k->id;
	e = enter(c, k);
	if (e == HF_OK)
		e = put(j, c, k);
	if (e == HF_OK)
		return HF_OK;
	if (k->session != 0)
		leave(k, false);
	else if (k->conn != NULL)
		hsm_conn_close(k->conn);
	job_free(k);
	return e;
}

/* --- afterwards -------------------------------------------------------------------- */

enum hf_err job_take(struct calls_ctx *c, uint64_t id, bool *ret_done, struct slice *ret_frame)
{
	struct jobs *j = c->hsm->jobs;
	MUTEX_HOLD(&j->lock);
	struct job *k = find(j, c->app, id);

	if (k == NULL)
		return HF_E_OP_NONE;
	*ret_done = k->state == JOB_DONE;
	*ret_frame = SLICE_NONE;
	if (!*ret_done)
		return HF_OK;
	TRY(buf_err(&k->answer));
	k->told = true;
	return arena_dup(c->arena, buf_slice(&k->answer), ret_frame);
}

enum hf_err job_keep(struct calls_ctx *c, uint64_t id)
{
	struct jobs *j = c->hsm->jobs;
	MUTEX_HOLD(&j->lock);
	struct job *k = find(j, c->app, id);

	if (k == NULL)
		return HF_E_OP_NONE;
	if (!k->durable)
		return HF_E_STATE_UNSAVEABLE;
	k->kept = true;
	return HF_OK;
}

static bool may_join(const struct job *k, const struct calls_ctx *c, enum calls_op op,
	const char *user)
{
	return k->kept && !k->gone && k->op == op && k->part == c->part &&
		k->uid == c->conn->peer.uid && k->role == c->role && strcmp(k->user, user) == 0;
}

enum hf_err job_join(struct calls_ctx *c, uint64_t id, enum calls_op op)
{
	struct jobs *j = c->hsm->jobs;
	char user[USER_NAME_MAX + 1];

	{
		MUTEX_HOLD(&c->app->lock);
		memcpy(user, c->session->login->user, sizeof(user));
	}
	MUTEX_HOLD(&j->lock);
	for (struct job *k = j->first; k != NULL; k = k->next) {
		if (k->id != id || !may_join(k, c, op, user))
			continue;
		memcpy(k->app, c->app->id, APP_ID_LEN);
		k->owner = c->session->by_id.key;
		k->kept = false;
		return HF_OK;
	}
	return HF_E_SAVED_STATE;
}

void jobs_forget(struct jobs *j, const struct app *app, uint64_t session)
{
	MUTEX_HOLD(&j->lock);

	for (struct job *k = j->first; k != NULL; k = k->next)
		if (is_of(k, app) && k->owner == session && !k->kept)
			k->gone = true;
	sweep(j);
}
