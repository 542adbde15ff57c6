/* async.c: sessions of CKF_ASYNC_SESSION, whose slow calls run apart in the vault
 * (PKCS#11 3.2 §5, asynchronous function management). Calls that are not in the
 * list below are done when they return, as in any session. */
#include "module.h"

#include <string.h>

#include "lock.h"
#include "map.h"

/* --- the functions that may run apart --------------------------------------- */

typedef bool (*result_reader)(struct slice fields, struct arena *a, CK_ASYNC_DATA *ret);

static bool one_key(struct slice fields, struct arena *a, CK_ASYNC_DATA *ret)
{
	struct rd r = rd_of(fields);
	struct key_generate_res k;

	if (!key_generate_res_dec(&r, a, &k) || !rd_done(&r))
		return false;
	ret->hObject = k.key;
	return true;
}

static bool key_pair(struct slice fields, struct arena *a, CK_ASYNC_DATA *ret)
{
	struct rd r = rd_of(fields);
	struct key_pair_generate_res k;

	if (!key_pair_generate_res_dec(&r, a, &k) || !rd_done(&r))
		return false;
	ret->hObject = k.public_key;
	ret->hAdditionalObject = k.private_key;
	return true;
}

enum { APART_KEY, APART_KEY_PAIR, APARTS };

static const struct apart {
	const char *name;
	enum calls_op op;
	result_reader read;
} aparts[APARTS] = {
	[APART_KEY] = { "C_GenerateKey", CALLS_KEY_GENERATE, one_key },
	[APART_KEY_PAIR] = { "C_GenerateKeyPair", CALLS_KEY_PAIR_GENERATE, key_pair },
};

static bool apart_of(const CK_UTF8CHAR *name, size_t *ret)
{
	for (size_t i = 0; i < APARTS; i++)
		if (strcmp((const char *)name, aparts[i].name) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

/* --- the sessions ------------------------------------------------------------- */

struct async {
	struct map_node node; /* key: the session */
	struct {
		bool pending;
		uint64_t id;
	} job[APARTS];
};

static struct mutex asyncs_lock = MUTEX_INIT;
static struct map asyncs;

static struct async *async_of(CK_SESSION_HANDLE session)
{
	struct map_node *n = map_get(&asyncs, session);

	return n == NULL ? NULL : container_of(n, struct async, node);
}

bool async_session(CK_SESSION_HANDLE session)
{
	MUTEX_HOLD(&asyncs_lock);

	return async_of(session) != NULL;
}

enum hf_err async_open(CK_SESSION_HANDLE session)
{
	struct async *s = hf_alloc(1, sizeof(*s));
	enum hf_err e;

	if (s == NULL)
		return HF_E_MEMORY;
	MUTEX_HOLD(&asyncs_lock);
	e = map_put(&asyncs, session, &s->node);
	if (e != HF_OK)
		hf_free(s);
	return e;
}

static void drop(struct async *s)
{
	if (s == NULL)
		return;
	(void)map_del(&asyncs, s->node.key);
	hf_free(s);
}

void async_forget(CK_SESSION_HANDLE session)
{
	MUTEX_HOLD(&asyncs_lock);

	drop(async_of(session));
}

void async_sweep(struct client *c)
{
	MUTEX_HOLD(&asyncs_lock);
	struct map_node *n = map_next(&asyncs, NULL), *next;
	uint64_t slot;

	for (; n != NULL; n = next) {
		next = map_next(&asyncs, n);
		if (c == NULL || client_session_slot(c, n->key, &slot) != HF_OK)
			drop(container_of(n, struct async, node));
	}
}

void async_clear(void)
{
	async_sweep(NULL);
	MUTEX_HOLD(&asyncs_lock);
	map_done(&asyncs);
	asyncs = (struct map){ 0 };
}

void async_abandon(void)
{
	asyncs_lock = (struct mutex)MUTEX_INIT;
	asyncs = (struct map){ 0 };
}

/* --- beginning ------------------------------------------------------------------ */

static enum hf_err note(CK_SESSION_HANDLE session, size_t which, uint64_t id)
{
	MUTEX_HOLD(&asyncs_lock);
	struct async *s = async_of(session);

	if (s == NULL)
		return HF_E_SESSION_HANDLE;
	s->job[which].pending = true;
	s->job[which].id = id;
	return HF_OK;
}

/* pending: the job of a function in a session, if it has one. */
static enum hf_err pending(CK_SESSION_HANDLE session, size_t which, uint64_t *ret_id)
{
	MUTEX_HOLD(&asyncs_lock);
	const struct async *s = async_of(session);

	if (s == NULL || !s->job[which].pending)
		return HF_E_OP_NONE;
	*ret_id = s->job[which].id;
	return HF_OK;
}

static void settle(CK_SESSION_HANDLE session, size_t which, uint64_t id)
{
	MUTEX_HOLD(&asyncs_lock);
	struct async *s = async_of(session);

	if (s != NULL && s->job[which].id == id)
		s->job[which].pending = false;
}

static CK_RV start(struct entry *e, CK_SESSION_HANDLE session, size_t which, struct buf *fields)
{
	struct async_start_req q = { .op = (uint16_t)aparts[which].op };
	struct async_start_res r;
	uint64_t id;

	if (pending(session, which, &id) == HF_OK)
		return CKR_OPERATION_ACTIVE;
	TRY_CKR(buf_err(fields));
	q.fields = buf_slice(fields);
	TRY_CKR(do_async_start(e->client, session, &q, &r, &e->arena));
	TRY_CKR(note(session, which, r.id));
	return CKR_PENDING;
}

CK_RV async_key(struct entry *e, CK_SESSION_HANDLE session, const struct key_generate_req *q)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);

	key_generate_req_enc(&b, q);
	return start(e, session, APART_KEY, &b);
}

CK_RV async_key_pair(struct entry *e, CK_SESSION_HANDLE session,
	const struct key_pair_generate_req *q)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);

	key_pair_generate_req_enc(&b, q);
	return start(e, session, APART_KEY_PAIR, &b);
}

/* --- C_Async... -------------------------------------------------------------------- */

static CK_RV session_and_function(struct entry *e, CK_SESSION_HANDLE session,
	const CK_UTF8CHAR *name, size_t *ret)
{
	uint64_t slot;

	REQUIRE(name != NULL);
	TRY_CKR(client_session_slot(e->client, session, &slot));
	return apart_of(name, ret) ? CKR_OK : CKR_OPERATION_NOT_INITIALIZED;
}

#define TRY_RV(rv)                                                             \
	do {                                                                   \
		CK_RV try_rv_ = (rv);                                          \
		if (try_rv_ != CKR_OK)                                         \
			return try_rv_;                                        \
	} while (0)

CK_RV C_AsyncComplete(CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pFunctionName,
	CK_ASYNC_DATA_PTR pResult)
{
	ENTER(e);
	struct async_take_req q;
	struct async_take_res r;
	CK_ASYNC_DATA got = { 0 };
	enum hf_err err;
	size_t which = 0;

	TRY_RV(session_and_function(&e, hSession, pFunctionName, &which));
	TRY_CKR(pending(hSession, which, &q.id));
	REQUIRE(pResult != NULL && pResult->ulVersion == 0);
	err = do_async_take(e.client, hSession, &q, &r, &e.arena);
	if (err == HF_OK && !r.done)
		return CKR_PENDING;
	if (err == HF_E_OP_NONE) /* there was one; the vault restarted since */
		err = HF_E_OP_LOST;
	if (err == HF_OK || err == HF_E_OP_LOST)
		settle(hSession, which, q.id);
	TRY_CKR(err);
	*pResult = got; /* neither function has a buffer of its caller's */
	TRY_CKR(err_from_wire(r.error));
	if (!aparts[which].read(r.fields, &e.arena, &got))
		return err_ckr(HF_E_MALFORMED);
	*pResult = got;
	return CKR_OK;
}

CK_RV C_AsyncGetID(CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pFunctionName, CK_ULONG_PTR pulID)
{
	ENTER(e);
	struct async_keep_req q;
	struct async_keep_res r;
	size_t which = 0;

	REQUIRE(pulID != NULL);
	TRY_RV(session_and_function(&e, hSession, pFunctionName, &which));
	TRY_CKR(pending(hSession, which, &q.id));
	TRY_CKR(do_async_keep(e.client, hSession, &q, &r, &e.arena));
	*pulID = q.id;
	return CKR_OK;
}

CK_RV C_AsyncJoin(CK_SESSION_HANDLE hSession, CK_UTF8CHAR_PTR pFunctionName, CK_ULONG ulID,
	CK_BYTE_PTR pData, CK_ULONG ulData)
{
	ENTER(e);
	struct async_join_req q = { .id = ulID };
	struct async_join_res r;
	uint64_t id;
	size_t which = 0;
	CK_RV rv;

	(void)pData; /* no function here has an output buffer */
	(void)ulData;
	rv = session_and_function(&e, hSession, pFunctionName, &which);
	if (rv == CKR_OPERATION_NOT_INITIALIZED)
		return CKR_SAVED_STATE_INVALID;
	TRY_RV(rv);
	if (!async_session(hSession))
		return CKR_SESSION_ASYNC_NOT_SUPPORTED;
	if (pending(hSession, which, &id) == HF_OK)
		return CKR_OPERATION_ACTIVE;
	q.op = (uint16_t)aparts[which].op;
	TRY_CKR(do_async_join(e.client, hSession, &q, &r, &e.arena));
	return err_ckr(note(hSession, which, ulID));
}
