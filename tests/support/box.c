/* box.c: see box.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "crypto.h"
#include "log.h"

/* --- the box ------------------------------------------------------------------------ */

void box_new(struct box *b)
{
	static bool ready_;

	if (!ready_) {
		log_open("vault", LOG_L_ERROR);
		assert_int_equal(crypto_init(), HF_OK);
		ready_ = true;
	}
	*b = (struct box){ .cfg = hsm_config_default };
	b->cfg.argon2_kib = 64;
	b->cfg.argon2_passes = 1;
	b->cfg.pbkdf2_passes = 10;
	b->cfg.pin_failures = 3;
	b->keeper = keeper_memory_new();
	b->key_fd = memfd_create("unlock", MFD_CLOEXEC);
	assert_true(b->key_fd >= 0);
	assert_int_equal(box_start(b), HF_OK);
}

enum hf_err box_start(struct box *b)
{
	struct hsm_unlock unlock = { .key_fd = b->key_fd, .attended = b->attended };

	return hsm_open(&b->cfg, keeper_memory_keeper(b->keeper), &unlock, &b->hsm);
}

void box_stop(struct box *b)
{
	assert_int_equal(hsm_connections(b->hsm), 0);
	hsm_close(b->hsm);
	b->hsm = NULL;
}

uint64_t box_role_version(struct box *b)
{
	const char *name;

	for (size_t i = 0; (name = keeper_memory_find(b->keeper, "p/", i)) != NULL; i++)
		if (strstr(name, "/role/user") != NULL)
			return keeper_memory_version(b->keeper, name);
	return 0;
}

size_t box_opens(struct box *b, const char *prefix, struct slice key)
{
	static uint8_t record[1 << 16];
	CLEANUP(secret_done) struct secret seal = { 0 };
	size_t opened = 0;
	const char *name;

	assert_int_equal(crypto_derive(key, "holdfast record", SLICE_NONE, &seal), HF_OK);
	for (size_t i = 0; (name = keeper_memory_find(b->keeper, prefix, i)) != NULL; i++) {
		CLEANUP(secret_done) struct secret plain = { 0 };
		CLEANUP(buf_done) struct buf place = BUF_MAX(512);
		size_t n = keeper_memory_value(b->keeper, name, record, sizeof(record));
		size_t head = record[0] == 2 ? 9 : 0; /* tags */

		buf_raw(&place, slice_str(name));
		buf_u64(&place, keeper_memory_version(b->keeper, name));
		if (head > 0)
			buf_raw(&place, (struct slice){ record + 1, head - 1 });
		opened += crypto_open(secret_slice(&seal), buf_slice(&place),
			(struct slice){ record + head, n - head }, &plain) == HF_OK;
	}
	return opened;
}

void box_restart(struct box *b)
{
	box_stop(b);
	assert_int_equal(box_start(b), HF_OK);
}

void box_free(struct box *b)
{
	hsm_close(b->hsm);
	keeper_memory_free(b->keeper);
	(void)close(b->key_fd);
}

/* --- the people ----------------------------------------------------------------------- */

static void serve(void *ctx, struct slice request, struct buf *response)
{
	struct slice fields = { request.p + WIRE_HEAD, request.n - WIRE_HEAD };
	struct wire_head h;

	assert_int_equal(wire_head_get(request.p, WIRE_MAX_BYTES, &h), HF_OK);
	if (!hsm_serve(ctx, &h, fields, response))
		buf_reset(response); /* the connection breaks */
}

static void closed(void *ctx)
{
	hsm_conn_close(ctx);
}

void who_comes(struct who *w, struct box *b, uint64_t uid, uint8_t app)
{
	struct peer peer = { .uid = uid, .gid = uid, .pid = 1 };
	struct hello_req q = { .version = WIRE_VERSION, .program = SLICE_STR("test") };
	struct hello_res r;
	struct hsm_conn *conn;

	*w = (struct who){ .box = b };
	memset(w->app, app, sizeof(w->app));
	q.app = SLICE_OF(w->app);
	assert_int_equal(hsm_conn_open(b->hsm, &peer, &conn), HF_OK);
	assert_int_equal(transport_loopback(serve, conn, closed, &w->t), HF_OK);
	assert_int_equal(do_hello(w, &q, &r), HF_OK);
}

void who_leaves(struct who *w)
{
	w->t->ops->close(w->t);
	arena_done(&w->arena);
}

enum hf_err who_asks(struct who *w, enum calls_op op, struct slice fields, struct rd *rest)
{
	CLEANUP(buf_done) struct buf out = BUF_MAX(WIRE_MAX_BYTES);
	struct wire_head h = {
		.opcode = (uint16_t)op, .flags = w->flags, .request = ++w->request, .session = w->session,
	};
	struct slice copy;
	bool sent;

	w->flags = 0;
	TRY(transport_call(w->t, &h, fields, &out, &sent));
	if (h.flags != HF_OK)
		return err_from_wire(h.flags);
	TRY(arena_dup(&w->arena, buf_slice(&out), &copy));
	*rest = rd_of(copy);
	return HF_OK;
}

/* --- in few words ------------------------------------------------------------------------ */

enum hf_err init(struct who *w, uint64_t slot, const char *so_pin)
{
	struct token_init_req q = { slot, slice_str(so_pin), SLICE_STR("test") };
	struct token_init_res r;

	return do_token_init(w, &q, &r);
}

void ready(struct who *w, uint64_t slot)
{
	struct pin_init_req q = { SLICE_STR(USER_PIN) };
	struct pin_init_res r;

	assert_int_equal(init(w, slot, SO_PIN), HF_OK);
	opens(w, slot, true);
	assert_int_equal(log_in(w, CKU_SO, SO_PIN), HF_OK);
	assert_int_equal(do_pin_init(w, &q, &r), HF_OK);
	assert_int_equal(closes(w), HF_OK);
}

void opens(struct who *w, uint64_t slot, bool rw)
{
	struct session_open_req q = { slot, rw };
	struct session_open_res r;

	assert_int_equal(do_session_open(w, &q, &r), HF_OK);
	w->session = r.session;
}

enum hf_err closes(struct who *w)
{
	struct session_close_req q = { 0 };
	struct session_close_res r;

	return do_session_close(w, &q, &r);
}

enum hf_err log_in(struct who *w, uint32_t user, const char *pin)
{
	struct login_req q = { user, SLICE_NONE, slice_str(pin) };
	struct login_res r;

	return do_login(w, &q, &r);
}

void logs_in(struct who *w, uint32_t user, const char *pin, struct slice *ret)
{
	struct login_req q = { user, SLICE_NONE, slice_str(pin) };
	struct login_res r;

	assert_int_equal(do_login(w, &q, &r), HF_OK);
	assert_true(r.ticket.n > 0 && r.renew_s > 0);
	if (ret != NULL)
		*ret = r.ticket;
}

enum hf_err log_out(struct who *w)
{
	struct logout_req q = { 0 };
	struct logout_res r;

	return do_logout(w, &q, &r);
}

enum hf_err resume(struct who *w, uint64_t slot, struct slice ticket)
{
	struct resume_req q = { slot, ticket };
	struct resume_res r;

	return do_resume(w, &q, &r);
}

uint32_t state_of(struct who *w)
{
	struct session_info_req q = { 0 };
	struct session_info_res r;

	return do_session_info(w, &q, &r) == HF_OK ? r.state : UINT32_MAX;
}

uint32_t flags_of(struct who *w, uint64_t slot)
{
	struct token_info_req q = { slot };
	struct token_info_res r;

	assert_int_equal(do_token_info(w, &q, &r), HF_OK);
	return r.flags;
}

const char *fact(struct who *w, const char *name)
{
	struct status_req q = { 0 };
	struct status_res r;
	char *s;

	assert_int_equal(do_status(w, &q, &r), HF_OK);
	for (size_t i = 0; i < r.facts.n; i++)
		if (slice_eq(r.facts.v[i].name, slice_str(name))) {
			s = arena_alloc(&w->arena, r.facts.v[i].value.n + 1, 1);
			assert_non_null(s);
			memcpy(s, r.facts.v[i].value.p, r.facts.v[i].value.n);
			return s;
		}
	return "";
}

enum hf_err makes(struct who *w, const char *label, bool private_)
{
	static const uint8_t yes = 1;
	const uint8_t priv = private_;
	const uint8_t data[8] = { 0, 0, 0, 0, 0, 0, 0, CKO_DATA };
	const struct attr v[] = {
		{ CKA_CLASS, SLICE_OF(data) },
		{ CKA_TOKEN, { &yes, 1 } },
		{ CKA_PRIVATE, { &priv, 1 } },
		{ CKA_LABEL, slice_str(label) },
		{ CKA_VALUE, SLICE_STR("v") },
	};
	struct object_create_req q = { { v, 5 } };
	struct object_create_res r;

	return do_object_create(w, &q, &r);
}

size_t finds(struct who *w)
{
	struct find_req q = { .max = 10000 };
	struct find_res r;

	assert_int_equal(do_find(w, &q, &r), HF_OK);
	return r.objects.n;
}
