/* fuzz_messages: what a stranger may bring to operations put by, to messages and to keys wrapped
 * with associated data, in a whole vault in this process:
 *
 *     what u8 | mechanism u8 | a sealed state, a parameter, or a wrapped key and its tag
 *
 * What the vault sealed or wrapped is taken as it was made, and not altered. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "fuzz_box.h"
#include "tmpl.h"

WHO_CALL(DIGEST_INIT, digest_init)
WHO_CALL(DIGEST_UPDATE, digest_update)
WHO_CALL(STATE_GET, state_get)
WHO_CALL(STATE_SET, state_set)
WHO_CALL(OP_CANCEL, op_cancel)
WHO_CALL(KEY_WRAP_AUTH, key_wrap_auth)
WHO_CALL(KEY_UNWRAP_AUTH, key_unwrap_auth)
WHO_CALL(MESSAGE_ENCRYPT_INIT, message_encrypt_init)
WHO_CALL(MESSAGE_ENCRYPT, message_encrypt)
WHO_CALL(MESSAGE_ENCRYPT_BEGIN, message_encrypt_begin)
WHO_CALL(MESSAGE_ENCRYPT_NEXT, message_encrypt_next)
WHO_CALL(MESSAGE_DECRYPT_INIT, message_decrypt_init)
WHO_CALL(MESSAGE_DECRYPT, message_decrypt)
WHO_CALL(MESSAGE_SIGN_INIT, message_sign_init)
WHO_CALL(MESSAGE_SIGN, message_sign)

#define ITEMS(a) (sizeof(a) / sizeof((a)[0]))
#define NOTHING(name) &(struct name##_res){ 0 }
#define DATA 16 /* bytes of a message, and of the key that is wrapped */
#define TAG 16
#define IV 12
#define AAD SLICE_STR("associated")

static const uint8_t value[32] = "sixteen bytes or thirty-two them";

static struct row {
	uint32_t ckm, ckk;
	size_t n; /* bytes of the key */
	uint64_t key;
	struct buf param, wrapped, tag;
} rows[] = {
	{ .ckm = CKM_AES_GCM, .ckk = CKK_AES, .n = 16 },
	{ .ckm = CKM_AES_CCM, .ckk = CKK_AES, .n = 16 },
	{ .ckm = CKM_CHACHA20_POLY1305, .ckk = CKK_CHACHA20, .n = 32 },
};
static uint64_t target; /* the key that is wrapped */
static struct buf state = BUF_MAX(1024);

/* --- preparations ------------------------------------------------------------------- */

static uint64_t make_key(struct who *w, uint32_t ckk, size_t n)
{
	struct object_create_res r = { 0 };

	must(do_object_create(w, &(struct object_create_req){ TMPL(U(CLASS, CKO_SECRET_KEY),
		U(KEY_TYPE, ckk), V(VALUE, ((struct slice){ value, n })), B(ENCRYPT, 1), B(DECRYPT, 1),
		B(SIGN, 1), B(WRAP, 1), B(UNWRAP, 1), B(EXTRACTABLE, 1)) }, &r));
	return r.object;
}

/* Fields as spec/params has them: an IV, and numbers before and behind it. */
static void make_param(struct row *m)
{
	struct buf *b = &m->param;

	*b = BUF_MAX(256);
	if (m->ckm == CKM_AES_CCM)
		buf_u64(b, DATA);
	buf_bytes(b, (struct slice){ value, IV });
	if (m->ckm != CKM_CHACHA20_POLY1305) {
		buf_u64(b, 0);
		buf_u64(b, CKG_NO_GENERATE);
		buf_u64(b, m->ckm == CKM_AES_CCM ? TAG : TAG * 8);
	}
	must(buf_err(b));
}

static struct mech_in mech_of(const struct row *m)
{
	return (struct mech_in){ m->ckm, buf_slice(&m->param) };
}

static void make_wrapped(struct who *w, struct row *m)
{
	struct key_wrap_auth_res r = { 0 };

	m->wrapped = BUF_MAX(256);
	m->tag = BUF_MAX(256);
	must(do_key_wrap_auth(w, &(struct key_wrap_auth_req){ mech_of(m), m->key, target, AAD, 256 }, &r));
	buf_raw(&m->wrapped, r.out);
	buf_raw(&m->tag, r.tag);
	must(m->tag.n == TAG ? buf_err(&m->wrapped) : HF_E_INTERNAL);
}

static void make_state(struct who *w)
{
	struct state_get_res r = { 0 };

	must(do_digest_init(w, &(struct digest_init_req){ { CKM_SHA256, SLICE_NONE } },
		NOTHING(digest_init)));
	must(do_digest_update(w, &(struct digest_update_req){ AAD }, NOTHING(digest_update)));
	must(do_state_get(w, &(struct state_get_req){ 1024 }, &r));
	buf_raw(&state, r.out);
	must(buf_err(&state));
}

static void cancel(struct who *w)
{
	must(do_op_cancel(w, &(struct op_cancel_req){ UINT32_MAX >> 1 }, NOTHING(op_cancel)));
}

static void tidy_up(void)
{
	for (size_t i = 0; i < ITEMS(rows); i++) {
		buf_done(&rows[i].param);
		buf_done(&rows[i].wrapped);
		buf_done(&rows[i].tag);
	}
	buf_done(&state);
}

static struct who *who_is_ready(void)
{
	struct who *w = fuzz_user();

	if (target != 0)
		return w;
	target = make_key(w, CKK_AES, DATA);
	for (size_t i = 0; i < ITEMS(rows); i++) {
		rows[i].key = make_key(w, rows[i].ckk, rows[i].n);
		make_param(&rows[i]);
		make_wrapped(w, &rows[i]);
	}
	make_state(w);
	cancel(w);
	atexit(tidy_up);
	return w;
}

/* --- what is tried ------------------------------------------------------------------- */

/* only_as_it_was: what the vault made is of use unaltered, and only so. */
static void only_as_it_was(enum hf_err e, bool same)
{
	must((e == HF_OK) == same ? HF_OK : HF_E_INTERNAL);
}

static void try_state(struct who *w, const struct row *m, struct slice in)
{
	enum hf_err e = do_state_set(w, &(struct state_set_req){ in }, NOTHING(state_set));

	(void)m;
	only_as_it_was(e, slice_eq(in, buf_slice(&state)));
}

static enum hf_err unwrap(struct who *w, struct mech_in mech, const struct row *m, struct slice wrapped,
	struct slice tag)
{
	struct key_unwrap_auth_res r = { 0 };
	enum hf_err e = do_key_unwrap_auth(w, &(struct key_unwrap_auth_req){ mech, m->key, AAD, wrapped, tag,
		TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES)) }, &r);

	if (e == HF_OK)
		must(do_object_destroy(w, &(struct object_destroy_req){ r.key },
			&(struct object_destroy_res){ 0 }));
	return e;
}

static void try_wrapped(struct who *w, const struct row *m, struct slice in)
{
	size_t n = in.n < TAG ? 0 : in.n - TAG;
	struct slice wrapped = { in.p, n }, tag = { in.p + n, in.n - n };
	enum hf_err e = unwrap(w, mech_of(m), m, wrapped, tag);

	only_as_it_was(e, slice_eq(wrapped, buf_slice(&m->wrapped)) && slice_eq(tag, buf_slice(&m->tag)));
}

static void try_wrap(struct who *w, const struct row *m, struct slice in)
{
	struct mech_in mech = { m->ckm, in };
	struct key_wrap_auth_res r = { 0 };

	(void)!do_key_wrap_auth(w, &(struct key_wrap_auth_req){ mech, m->key, target, AAD, 256 }, &r);
	(void)!unwrap(w, mech, m, buf_slice(&m->wrapped), buf_slice(&m->tag));
}

static void try_decrypt(struct who *w, const struct row *m, struct slice in,
	const struct message_encrypt_res *r)
{
	struct message_decrypt_init_req q = { { m->ckm, SLICE_NONE }, m->key };

	must(do_message_decrypt_init(w, &q, NOTHING(message_decrypt_init)));
	(void)!do_message_decrypt(w, &(struct message_decrypt_req){ in, AAD, r->out, r->tag, 256 },
		NOTHING(message_decrypt));
}

static void try_message(struct who *w, const struct row *m, struct slice in)
{
	struct slice data = { value, DATA };
	struct message_encrypt_init_req q = { { m->ckm, SLICE_NONE }, m->key };
	struct message_encrypt_res r = { 0 };

	must(do_message_encrypt_init(w, &q, NOTHING(message_encrypt_init)));
	(void)!do_message_encrypt(w, &(struct message_encrypt_req){ in, AAD, data, 256 }, &r);
	if (do_message_encrypt_begin(w, &(struct message_encrypt_begin_req){ in, AAD },
		NOTHING(message_encrypt_begin)) == HF_OK)
		(void)!do_message_encrypt_next(w, &(struct message_encrypt_next_req){ data, true, 256 },
			NOTHING(message_encrypt_next));
	try_decrypt(w, m, in, &r);
}

/* A MAC with an IV takes it from each message. */
static void try_sign(struct who *w, const struct row *m, struct slice in)
{
	struct message_sign_init_req q = { { CKM_AES_GMAC, SLICE_NONE }, target };

	(void)m;
	if (do_message_sign_init(w, &q, NOTHING(message_sign_init)) == HF_OK)
		(void)!do_message_sign(w, &(struct message_sign_req){ in, AAD, 256 }, NOTHING(message_sign));
}

static void (*const tries[])(struct who *, const struct row *, struct slice) = {
	try_state, try_message, try_wrap, try_wrapped, try_sign,
};

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct who *w = who_is_ready();

	if (n < 2 || n > 1024)
		return 0;
	tries[p[0] % ITEMS(tries)](w, &rows[p[1] % ITEMS(rows)], (struct slice){ p + 2, n - 2 });
	cancel(w);
	arena_reset(&w->arena);
	return 0;
}

/* --- seeds ---------------------------------------------------------------------------- */

size_t fuzz_seed(size_t i, uint8_t *p, size_t max)
{
	size_t what = i / ITEMS(rows), n = 0;
	const struct row *m = &rows[i % ITEMS(rows)];
	struct slice parts[2] = { { 0 } };

	if (what >= ITEMS(tries))
		return 0;
	(void)who_is_ready();
	if (tries[what] == try_state)
		parts[0] = buf_slice(&state);
	else if (tries[what] != try_wrapped)
		parts[0] = buf_slice(&m->param);
	else {
		parts[0] = buf_slice(&m->wrapped);
		parts[1] = buf_slice(&m->tag);
	}
	must(2 + parts[0].n + parts[1].n <= max ? HF_OK : HF_E_INTERNAL);
	p[n++] = (uint8_t)what;
	p[n++] = (uint8_t)(i % ITEMS(rows));
	for (size_t k = 0; k < 2; k++) {
		if (parts[k].n > 0)
			memcpy(p + n, parts[k].p, parts[k].n);
		n += parts[k].n;
	}
	return n;
}
