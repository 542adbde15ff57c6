/* fuzz_params: the parameter of each mechanism from a stranger, to a whole vault in this
 * process, in every use that the mechanism has, with a key that fits.
 *
 *     mechanism u32 | parameter, as the module sends it */
#include <string.h>

#include "fuzz.h"
#include "fuzz_box.h"
#include "mech.h"
#include "params_shape.h"
#include "tmpl.h"

WHO_CALL(VERIFY_INIT, verify_init)
WHO_CALL(VERIFY, verify)
WHO_CALL(DIGEST_INIT, digest_init)
WHO_CALL(DIGEST, digest)
WHO_CALL(KEY_DERIVE, key_derive)
WHO_CALL(ENCAPSULATE, encapsulate)
WHO_CALL(DECAPSULATE, decapsulate)
WHO_CALL(OP_CANCEL, op_cancel)

#define ITEMS(a) (sizeof(a) / sizeof((a)[0]))
#define OUT_MAX 65536
#define ITERATIONS_MAX 5000 /* a password may cost so much here, no more */

static const uint8_t p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
static const uint8_t ed25519[] = { 6, 3, 0x2b, 0x65, 0x70 };
static const uint8_t x25519[] = { 6, 3, 0x2b, 0x65, 0x6e };
/* Of odd parity, as DES wants it. */
#define EIGHT 0x10, 0x20, 0x40, 0x80, 1, 2, 4, 8
static const uint8_t value[64] = { EIGHT, EIGHT, 1, 1, 1, 1, 7, 7, 7, 7, EIGHT, EIGHT, EIGHT, EIGHT,
	EIGHT };

/* The keys of a vault: one of each type, or a pair. */
static struct {
	uint32_t ckk;
	size_t n;        /* bytes of a secret key */
	uint32_t gen;    /* a pair's mechanism */
	uint32_t cka;    /* and what it is made of */
	struct slice of;
	uint64_t key, pub;
} keys[] = {
	{ CKK_AES, 16 }, { CKK_AES_XTS, 32 }, { CKK_DES, 8 }, { CKK_DES3, 24 }, { CKK_CAMELLIA, 16 },
	{ CKK_ARIA, 16 }, { CKK_SEED, 16 }, { CKK_CHACHA20, 32 }, { CKK_POLY1305, 32 },
	{ CKK_HKDF, 48 }, { CKK_HOTP, 20 }, { CKK_GENERIC_SECRET, 48 },
	{ CKK_RSA, 0, CKM_RSA_PKCS_KEY_PAIR_GEN, CKA_MODULUS_BITS, { 0 } },
	{ CKK_EC, 0, CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, { p256, sizeof(p256) } },
	{ CKK_EC_EDWARDS, 0, CKM_EC_EDWARDS_KEY_PAIR_GEN, CKA_EC_PARAMS, { ed25519, sizeof(ed25519) } },
	{ CKK_EC_MONTGOMERY, 0, CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKA_EC_PARAMS,
	  { x25519, sizeof(x25519) } },
	{ CKK_ML_DSA, 0, CKM_ML_DSA_KEY_PAIR_GEN, CKA_PARAMETER_SET, { 0 } },
	{ CKK_ML_KEM, 0, CKM_ML_KEM_KEY_PAIR_GEN, CKA_PARAMETER_SET, { 0 } },
};

static void make_secret(struct who *w, size_t i)
{
	struct object_create_res r;

	must(do_object_create(w, &(struct object_create_req){ TMPL(
		U(CLASS, keys[i].ckk == CKK_HOTP ? CKO_OTP_KEY : CKO_SECRET_KEY),
		U(KEY_TYPE, keys[i].ckk), V(VALUE, ((struct slice){ value, keys[i].n })), B(DERIVE, 1),
		B(EXTRACTABLE, 1)) }, &r));
	keys[i].key = keys[i].pub = r.object;
}

static void make_pair(struct who *w, size_t i)
{
	static const uint8_t bits[8] = { 0, 0, 0, 0, 0, 0, 4, 0 }, set[8] = { 0, 0, 0, 0, 0, 0, 0, 2 };
	struct slice of = keys[i].of.n > 0 ? keys[i].of : keys[i].ckk == CKK_RSA ? SLICE_OF(bits) :
		SLICE_OF(set);
	struct attr a = { keys[i].cka, of };
	struct key_pair_generate_res r;

	must(do_key_pair_generate(w, &(struct key_pair_generate_req){ { keys[i].gen, SLICE_NONE },
		{ &a, 1 }, TMPL(B(DERIVE, 1), B(EXTRACTABLE, 1)) }, &r));
	keys[i].key = r.private_key;
	keys[i].pub = r.public_key;
}

static struct who *who_is_ready(void)
{
	struct who *w = fuzz_user();

	if (keys[0].key != 0)
		return w;
	for (size_t i = 0; i < ITEMS(keys); i++) {
		if (keys[i].n > 0)
			make_secret(w, i);
		else
			make_pair(w, i);
	}
	return w;
}

static void drop(struct who *w, uint64_t object)
{
	if (object != 0)
		must(do_object_destroy(w, &(struct object_destroy_req){ object },
			&(struct object_destroy_res){ 0 }));
}

/* --- uses ------------------------------------------------------------------------- */

struct try {
	struct who *w;
	struct mech_in m;
	uint64_t key, pub;
};

#define ROOM .max = OUT_MAX
#define NOTHING(name) &(struct name##_res){ 0 }

static void try_crypt(const struct try *t)
{
	struct encrypt_res e = { 0 };

	if (do_encrypt_init(t->w, &(struct encrypt_init_req){ t->m, t->pub }, NOTHING(encrypt_init)) == HF_OK)
		(void)!do_encrypt(t->w, &(struct encrypt_req){ { value, 32 }, ROOM }, &e);
	if (do_decrypt_init(t->w, &(struct decrypt_init_req){ t->m, t->key }, NOTHING(decrypt_init)) == HF_OK)
		(void)!do_decrypt(t->w, &(struct decrypt_req){ e.out, ROOM }, NOTHING(decrypt));
}

static void try_sign(const struct try *t)
{
	struct sign_res s = { 0 };

	if (do_sign_init(t->w, &(struct sign_init_req){ t->m, t->key }, NOTHING(sign_init)) == HF_OK)
		(void)!do_sign(t->w, &(struct sign_req){ { value, 64 }, ROOM }, &s);
	if (do_verify_init(t->w, &(struct verify_init_req){ t->m, t->pub }, NOTHING(verify_init)) == HF_OK)
		(void)!do_verify(t->w, &(struct verify_req){ { value, 64 }, s.out }, NOTHING(verify));
}

static void try_digest(const struct try *t)
{
	if (do_digest_init(t->w, &(struct digest_init_req){ t->m }, NOTHING(digest_init)) == HF_OK)
		(void)!do_digest(t->w, &(struct digest_req){ { value, 64 }, ROOM }, NOTHING(digest));
}

static void try_generate(const struct try *t)
{
	static const uint32_t types[] = { CKK_GENERIC_SECRET, CKK_AES };
	struct key_generate_res r = { 0 };

	for (size_t i = 0; i < ITEMS(types); i++) {
		if (do_key_generate(t->w, &(struct key_generate_req){ t->m,
			TMPL(U(KEY_TYPE, types[i]), U(VALUE_LEN, 16)) }, &r) == HF_OK)
			drop(t->w, r.key);
		if (do_key_generate(t->w, &(struct key_generate_req){ t->m, TMPL_NONE }, &r) == HF_OK)
			drop(t->w, r.key);
	}
}

static void try_derive(const struct try *t)
{
	static const struct {
		uint64_t type, n;
	} made[] = { { CKK_AES, 16 }, { CKK_GENERIC_SECRET, 48 } };
	struct key_derive_res r = { 0 };

	for (size_t i = 0; i < ITEMS(made); i++) {
		if (do_key_derive(t->w, &(struct key_derive_req){ t->m, t->key,
			TMPL(U(KEY_TYPE, made[i].type), U(VALUE_LEN, made[i].n)) }, &r) != HF_OK)
			continue;
		drop(t->w, r.key);
		for (size_t k = 0; k < r.more.n; k++)
			drop(t->w, r.more.v[k]);
	}
}

static void try_wrap(const struct try *t)
{
	struct key_wrap_res r = { 0 };
	struct key_unwrap_res u = { 0 };

	if (do_key_wrap(t->w, &(struct key_wrap_req){ t->m, t->pub, keys[0].key, ROOM }, &r) != HF_OK)
		r.out = (struct slice){ value, 32 };
	if (do_key_unwrap(t->w, &(struct key_unwrap_req){ t->m, t->key, r.out,
		TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES)) }, &u) == HF_OK)
		drop(t->w, u.key);
}

static void try_kem(const struct try *t)
{
	struct encapsulate_res r = { 0 };
	struct decapsulate_res d = { 0 };
	struct attr_list tmpl = TMPL(U(KEY_TYPE, CKK_AES), U(VALUE_LEN, 16));

	if (do_encapsulate(t->w, &(struct encapsulate_req){ t->m, t->pub, tmpl, ROOM }, &r) == HF_OK)
		drop(t->w, r.key);
	if (do_decapsulate(t->w, &(struct decapsulate_req){ t->m, t->key, r.out, tmpl }, &d) == HF_OK)
		drop(t->w, d.key);
}

static const struct {
	uint32_t ops;
	void (*run)(const struct try *t);
} uses[] = {
	{ CKF_ENCRYPT | CKF_DECRYPT, try_crypt }, { CKF_SIGN | CKF_VERIFY, try_sign },
	{ CKF_DIGEST, try_digest }, { CKF_GENERATE, try_generate }, { CKF_DERIVE, try_derive },
	{ CKF_WRAP | CKF_UNWRAP, try_wrap }, { CKF_ENCAPSULATE | CKF_DECAPSULATE, try_kem },
};

/* dear: a password's iterations would take the test's time. */
static bool dear(const struct mech *m, struct slice param)
{
	struct params p;

	if (params_decode(m->param, param, &p) != HF_OK)
		return false;
	return (p.id == PARAM_PBKD2 && p.u.pbkd2.iterations > ITERATIONS_MAX) ||
		(p.id == PARAM_PBE && p.u.pbe.iterations > ITERATIONS_MAX);
}

static void all_uses(struct who *w, const struct mech *m, struct slice param)
{
	struct try t = { .w = w, .m = { m->type, param } };

	for (size_t i = 0; i < ITEMS(keys); i++)
		if (keys[i].ckk == m->key || keys[i].ckk == m->alt_key) {
			t.key = keys[i].key;
			t.pub = keys[i].pub;
		}
	if (t.key == 0)
		t.key = t.pub = keys[ITEMS(keys) - 1].key;
	for (size_t i = 0; i < ITEMS(uses); i++)
		if ((m->ops & uses[i].ops) != 0)
			uses[i].run(&t);
	must(do_op_cancel(w, &(struct op_cancel_req){ UINT32_MAX >> 1 }, NOTHING(op_cancel)));
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct who *w = who_is_ready();
	const struct mech *m = n < 4 ? NULL : mech_find(get_u32(p));
	struct slice param = { p + 4, n - 4 };

	if (m != NULL && n < 4096 && !dear(m, param))
		all_uses(w, m, param);
	arena_reset(&w->arena);
	return 0;
}

/* --- seeds ------------------------------------------------------------------------ */

#define FIELDS_MAX 8

/* What a mechanism takes, field by field: a number, or how many bytes. */
static const struct {
	enum param_id id;
	uint64_t v[FIELDS_MAX];
} good[] = {
	{ PARAM_IV, { 16 } },
	{ PARAM_MAC_LEN, { 4 } },
	{ PARAM_DATA, { 16 } },
	{ PARAM_HKDF, { 1, 1, CKM_SHA256, CKF_HKDF_SALT_DATA, 16, 0, 12 } },
	{ PARAM_GCM, { 12, 96, 0, 128 } },
	{ PARAM_CCM, { 32, 12, 0, 16 } },
	{ PARAM_RSA_PSS, { CKM_SHA256, CKG_MGF1_SHA256, 32 } },
	{ PARAM_RSA_OAEP, { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED, 0 } },
	{ PARAM_RSA_AES_WRAP, { 128, CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, 0 } },
	{ PARAM_ECDH, { CKD_SHA256_KDF, 12, 65 } },
	{ PARAM_ECDH_AES_WRAP, { 128, CKD_SHA256_KDF, 0 } },
	{ PARAM_CHACHA20, { 4, 12 } },
	{ PARAM_HASH_CONTEXT, { CKH_HEDGE_PREFERRED, 0, CKM_SHA512 } },
	{ PARAM_HASH_BITS, { 256 } },
	{ PARAM_MU_GEN, { 0, 64, 12 } },
	{ PARAM_PBKD2, { CKZ_SALT_SPECIFIED, 16, 10, CKP_PKCS5_PBKD2_HMAC_SHA256, 0, 12 } },
	{ PARAM_PBE, { 12, 16, 10 } },
	{ PARAM_IKE_PRF, { CKM_SHA256_HMAC, 1, 0, 16, 16, 0 } },
	{ PARAM_IKE1_EXTENDED, { CKM_SHA256_HMAC, 0, 0, 16 } },
	{ PARAM_IKE2_PLUS, { CKM_SHA256_HMAC, 0, 0, 16 } },
	{ PARAM_VERSION, { 2 } },
	{ PARAM_TLS_MASTER, { 32, 32 } },
	{ PARAM_TLS12_MASTER, { 32, 32, CKM_SHA256 } },
	{ PARAM_TLS12_EXTENDED, { CKM_SHA256, 32 } },
	{ PARAM_TLS_KEYS, { 160, 128, 64, 0, 32, 32 } },
	{ PARAM_TLS12_KEYS, { 160, 128, 64, 0, 32, 32, CKM_SHA256 } },
	{ PARAM_TLS_KDF, { CKM_SHA256, 12, 32, 32, 0 } },
	{ PARAM_TLS_MAC, { CKM_SHA256, 12, 1 } },
};
static const uint64_t some[FIELDS_MAX] = { 8, 12, 12, 16, 16, 12, 12, 1 };

/* The generator of P-256, where so many bytes are wanted. */
static const uint8_t point[65] = { 4,
	0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2,
	0x77, 0x03, 0x7d, 0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
	0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16,
	0x2b, 0xce, 0x33, 0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5 };

static void put_shape(const char *s, const uint64_t *v, struct buf *b)
{
	for (; *s != '\0'; s++, v++) {
		if (*s == 'u')
			buf_u64(b, *v);
		else if (*s == 'b')
			buf_bool(b, *v != 0);
		else if (*s == 'y')
			buf_bytes(b, (struct slice){ *v == sizeof(point) ? point : value, (size_t)*v });
		else { /* an array's size, two digits */
			buf_bytes(b, (struct slice){ value, (size_t)(10 * (s[0] - '0') + s[1] - '0') });
			s++;
		}
	}
}

static const uint64_t *fields_of(enum param_id id, bool best)
{
	for (size_t i = 0; best && i < ITEMS(good); i++)
		if (good[i].id == id)
			return good[i].v;
	return some;
}

/* Two seeds for each mechanism that has a parameter: a good one, and any. */
size_t fuzz_seed(size_t i, uint8_t *p, size_t max)
{
	struct buf b = BUF_MAX(4096);
	const struct mech *m;
	size_t n = 0;

	(void)who_is_ready();
	for (size_t at = 0; (m = mech_at(at)) != NULL; at++) {
		if (m->param == PARAM_NONE)
			continue;
		if (n++ == i / 2)
			break;
	}
	if (m == NULL)
		return 0;
	buf_u32(&b, m->type);
	put_shape(shapes[m->param], fields_of(m->param, i % 2 == 0), &b);
	must(buf_err(&b) == HF_OK && b.n <= max ? HF_OK : HF_E_INTERNAL);
	memcpy(p, b.p, b.n);
	n = b.n;
	buf_done(&b);
	return n;
}
