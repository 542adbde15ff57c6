/* vault.c: see vault.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto.h"
#include "fault.h"
#include "log.h"
#include "vault.h"

enum hf_err vault_send(struct vault *v, enum calls_op op, struct slice fields, struct rd *rest)
{
	struct wire_head h = {
		.length = (uint32_t)fields.n, .opcode = (uint16_t)op, .flags = v->flags,
		.request = (v->flags & WIRE_FLAG_REPEAT) != 0 ? v->request : ++v->request,
		.session = v->session,
	};
	struct wire_head back;

	v->flags = 0;
	buf_reset(&v->answer);
	assert_true(hsm_serve(v->conn, &h, fields, &v->answer));
	v->fired = secret_fail_fired();
	secret_fail_after(-1); /* what fails on purpose is the HSM's, not ours */
	assert_true(v->answer.n >= WIRE_HEAD);
	assert_int_equal(wire_head_get(v->answer.p, WIRE_MAX_BYTES, &back), HF_OK);
	assert_int_equal(back.length, v->answer.n - WIRE_HEAD);
	assert_int_equal(back.request, h.request);
	assert_int_equal(back.opcode, op);
	if (back.flags != HF_OK) {
		assert_int_equal(back.length, 0);
		return err_from_wire(back.flags);
	}
	/* A copy, as the client's: the next call reuses the buffer. */
	struct slice copy;

	assert_int_equal(arena_dup(&v->arena,
		(struct slice){ v->answer.p + WIRE_HEAD, back.length }, &copy), HF_OK);
	*rest = rd_of(copy);
	return HF_OK;
}

void vault_again(struct vault *v)
{
	v->flags = WIRE_FLAG_REPEAT;
}

void vault_connect(struct vault *v)
{
	struct peer p = { .uid = getuid(), .gid = getgid(), .pid = (uint64_t)getpid() };
	uint8_t app[32];
	struct hello_req q = { .version = WIRE_VERSION, .app = SLICE_OF(app),
		.program = SLICE_STR("test") };
	struct session_open_req so = { .slot = v->slot, .rw = true };
	struct session_open_res sr;
	struct hello_res r;

	v->session = 0;
	assert_int_equal(crypto_random(app, sizeof(app)), HF_OK);
	assert_int_equal(hsm_conn_open(v->hsm, &p, &v->conn), HF_OK);
	assert_int_equal(do_hello(v, &q, &r), HF_OK);
	if (do_session_open(v, &so, &sr) == HF_OK)
		v->session = sr.session;
}

static void hsm_start(struct vault *v)
{
	struct hsm_config cfg = hsm_config_default;
	struct hsm_unlock unlock = { .key_fd = v->key_fd };

	cfg.argon2_kib = 64;
	cfg.argon2_passes = 1;
	cfg.pbkdf2_passes = 10;
	cfg.admin_uid = getuid();
	assert_int_equal(hsm_open(&cfg, keeper_memory_keeper(v->keeper), &unlock, &v->hsm), HF_OK);
	vault_connect(v);
}

void login_as(struct vault *v, uint32_t user, const char *pin)
{
	struct login_req q = { .user = user, .pin = slice_str(pin) };
	struct login_res r;

	assert_int_equal(do_login(v, &q, &r), HF_OK);
}

void log_out(struct vault *v)
{
	struct logout_req q = { 0 };
	struct logout_res r;

	assert_int_equal(do_logout(v, &q, &r), HF_OK);
}

static void init_token(struct vault *v)
{
	struct token_init_req q = { .so_pin = SLICE_STR(SO_PIN), .label = SLICE_STR("test") };
	struct slot_list_req lq = { 0 };
	struct slot_list_res lr;
	struct token_init_res r;

	assert_int_equal(do_slot_list(v, &lq, &lr), HF_OK);
	assert_true(lr.slots.n > 0);
	q.slot = lr.slots.v[0].id;
	assert_int_equal(do_token_init(v, &q, &r), HF_OK);
	assert_int_equal(do_slot_list(v, &lq, &lr), HF_OK);
	for (size_t i = 0; i < lr.slots.n; i++)
		if (lr.slots.v[i].initialized)
			v->slot = lr.slots.v[i].id;
}

void vault_open(struct vault *v)
{
	struct session_open_req so = { .rw = true };
	struct pin_init_req pq = { .pin = SLICE_STR(USER_PIN) };
	struct session_open_res sr;
	struct pin_init_res pr;
	static bool ready;

	if (!ready) {
		log_open("vault", LOG_L_ERROR);
		assert_int_equal(crypto_init(), HF_OK);
		ready = true;
	}
	*v = (struct vault){ .answer = BUF_MAX(WIRE_MAX_BYTES + WIRE_HEAD) };
	v->keeper = keeper_memory_new();
	v->key_fd = memfd_create("root", MFD_CLOEXEC);
	assert_true(v->key_fd >= 0);
	hsm_start(v);
	init_token(v);
	so.slot = v->slot;
	assert_int_equal(do_session_open(v, &so, &sr), HF_OK);
	v->session = sr.session;
	login_as(v, CKU_SO, SO_PIN);
	assert_int_equal(do_pin_init(v, &pq, &pr), HF_OK);
	log_out(v);
	login_as(v, CKU_USER, USER_PIN);
}

void vault_restart(struct vault *v)
{
	hsm_conn_close(v->conn);
	hsm_close(v->hsm);
	hsm_start(v);
}

void vault_close(struct vault *v)
{
	hsm_conn_close(v->conn);
	hsm_close(v->hsm);
	keeper_memory_free(v->keeper);
	(void)close(v->key_fd);
	buf_done(&v->answer);
	arena_done(&v->arena);
}

/* --- in few words ----------------------------------------------------------- */

uint64_t create(struct vault *v, struct attr_list t)
{
	struct object_create_req q = { .attrs = t };
	struct object_create_res r;

	assert_int_equal(do_object_create(v, &q, &r), HF_OK);
	return r.object;
}

uint64_t generate(struct vault *v, struct mech_in m, struct attr_list t)
{
	struct key_generate_req q = { .mech = m, .attrs = t };
	struct key_generate_res r;

	assert_int_equal(do_key_generate(v, &q, &r), HF_OK);
	return r.key;
}

void generate_pair(struct vault *v, struct mech_in m, struct attr_list pub, struct attr_list priv,
	uint64_t *ret_pub, uint64_t *ret_priv)
{
	struct key_pair_generate_req q = { .mech = m, .pub = pub, .priv = priv };
	struct key_pair_generate_res r;

	assert_int_equal(do_key_pair_generate(v, &q, &r), HF_OK);
	*ret_pub = r.public_key;
	*ret_priv = r.private_key;
}

enum attr_found told(struct vault *v, uint64_t object, uint32_t type, struct slice *ret)
{
	struct attr_get_req q = { .object = object, .types = { &type, 1 } };
	struct attr_get_res r;

	assert_int_equal(do_attr_get(v, &q, &r), HF_OK);
	assert_int_equal(r.got.n, 1);
	assert_int_equal(r.got.v[0].type, type);
	if (ret != NULL)
		*ret = r.got.v[0].value;
	return (enum attr_found)r.got.v[0].found;
}

struct slice value_of(struct vault *v, uint64_t object, uint32_t type)
{
	struct slice s;

	assert_int_equal(told(v, object, type, &s), ATTR_FOUND);
	return s;
}

bool flag_of(struct vault *v, uint64_t object, uint32_t type)
{
	struct slice s = value_of(v, object, type);

	assert_int_equal(s.n, 1);
	return s.p[0] != 0;
}

bool exists(struct vault *v, uint64_t object)
{
	struct object_size_req q = { .object = object };
	struct object_size_res r;

	return do_object_size(v, &q, &r) == HF_OK;
}

size_t count(struct vault *v, struct attr_list t)
{
	struct find_req q = { .attrs = t, .max = 1000 };
	struct find_res r;

	assert_int_equal(do_find(v, &q, &r), HF_OK);
	return r.objects.n;
}

#define ROOM 65536

enum hf_err sign_with(struct vault *v, struct mech_in m, uint64_t key, struct slice data,
	struct slice *ret)
{
	struct sign_init_req iq = { .mech = m, .key = key };
	struct sign_init_res ir;
	struct sign_req q = { .data = data, .max = ROOM };
	struct sign_res r;

	TRY(do_sign_init(v, &iq, &ir));
	TRY(do_sign(v, &q, &r));
	*ret = r.out;
	return HF_OK;
}

enum hf_err verify_with(struct vault *v, struct mech_in m, uint64_t key, struct slice data,
	struct slice sig)
{
	struct verify_init_req iq = { .mech = m, .key = key };
	struct verify_init_res ir;
	struct verify_req q = { .data = data, .signature = sig };
	struct verify_res r;

	TRY(do_verify_init(v, &iq, &ir));
	return do_verify(v, &q, &r);
}

enum hf_err encrypt_with(struct vault *v, struct mech_in m, uint64_t key, struct slice data,
	struct slice *ret)
{
	struct encrypt_init_req iq = { .mech = m, .key = key };
	struct encrypt_init_res ir;
	struct encrypt_req q = { .data = data, .max = ROOM };
	struct encrypt_res r;

	TRY(do_encrypt_init(v, &iq, &ir));
	TRY(do_encrypt(v, &q, &r));
	*ret = r.out;
	return HF_OK;
}

enum hf_err decrypt_with(struct vault *v, struct mech_in m, uint64_t key, struct slice data,
	struct slice *ret)
{
	struct decrypt_init_req iq = { .mech = m, .key = key };
	struct decrypt_init_res ir;
	struct decrypt_req q = { .data = data, .max = ROOM };
	struct decrypt_res r;

	TRY(do_decrypt_init(v, &iq, &ir));
	TRY(do_decrypt(v, &q, &r));
	*ret = r.out;
	return HF_OK;
}

enum hf_err wrap_with(struct vault *v, struct mech_in m, uint64_t with, uint64_t key,
	struct slice *ret)
{
	struct key_wrap_req q = { .mech = m, .with = with, .key = key, .max = ROOM };
	struct key_wrap_res r;

	TRY(do_key_wrap(v, &q, &r));
	*ret = r.out;
	return HF_OK;
}

enum hf_err unwrap_with(struct vault *v, struct mech_in m, uint64_t with, struct slice wrapped,
	struct attr_list t, uint64_t *ret)
{
	struct key_unwrap_req q = { .mech = m, .with = with, .wrapped = wrapped, .attrs = t };
	struct key_unwrap_res r;

	TRY(do_key_unwrap(v, &q, &r));
	*ret = r.key;
	return HF_OK;
}
