/* fuzz_keys: wrapped keys and templates from a stranger, to a whole vault in this
 * process. The first byte says which way they come. */
#include <string.h>

#include "fuzz.h"
#include "fuzz_box.h"
#include "attrs.h"
#include "tmpl.h"

#define MECH(name) ((struct mech_in){ .type = (uint32_t)CKM_##name })
static const uint8_t iv[4 + 16] = { 0, 0, 0, 16 };
#define CBC ((struct mech_in){ CKM_AES_CBC_PAD, SLICE_OF(iv) })

static uint64_t kek;

static uint64_t make(struct who *w, struct attr_list t)
{
	struct object_create_res r;

	return do_object_create(w, &(struct object_create_req){ t }, &r) == HF_OK ? r.object : 0;
}

static uint64_t unwrap(struct who *w, struct mech_in m, uint64_t with, struct slice blob,
	struct attr_list t)
{
	struct key_unwrap_res r;

	return do_key_unwrap(w, &(struct key_unwrap_req){ m, with, blob, t }, &r) == HF_OK ? r.key : 0;
}

static void drop(struct who *w, uint64_t object)
{
	if (object != 0)
		must(do_object_destroy(w, &(struct object_destroy_req){ object },
			&(struct object_destroy_res){ 0 }));
}

/* A key that comes in can be used: whether it computes is its mechanism's affair. */
static void use(struct who *w, uint64_t key)
{
	static const uint32_t mechs[] = { CKM_SHA256_RSA_PKCS, CKM_ECDSA_SHA256, CKM_EDDSA, CKM_ML_DSA };
	struct sign_req q = { .data = SLICE_STR("x"), .max = 65536 };
	struct sign_res r;

	for (size_t i = 0; key != 0 && i < sizeof(mechs) / sizeof(mechs[0]); i++) {
		struct sign_init_req begin = { { mechs[i], SLICE_NONE }, key };

		if (do_sign_init(w, &begin, &(struct sign_init_res){ 0 }) == HF_OK)
			(void)!do_sign(w, &q, &r);
	}
	drop(w, key);
}

static const uint32_t types[] = { CKK_RSA, CKK_EC, CKK_EC_EDWARDS, CKK_EC_MONTGOMERY, CKK_ML_DSA,
	CKK_ML_KEM, CKK_SLH_DSA, CKK_DSA };

/* The bytes are what a thief of the wrapping key would have wrapped. */
static void plain(struct who *w, struct slice in)
{
	const struct encrypt_init_req begin = { CBC, kek };
	struct encrypt_res r;

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		must(do_encrypt_init(w, &begin, &(struct encrypt_init_res){ 0 }));
		must(do_encrypt(w, &(struct encrypt_req){ in, 70000 }, &r));
		use(w, unwrap(w, CBC, kek, r.out,
			TMPL(U(CLASS, CKO_PRIVATE_KEY), U(KEY_TYPE, types[i]))));
		arena_reset(&w->arena);
	}
}

/* The bytes are a blob as somebody may change it on its way. */
static void blob(struct who *w, struct slice in)
{
	const struct mech_in mechs[] = { CBC, MECH(AES_KEY_WRAP), MECH(AES_KEY_WRAP_KWP) };
	const struct attr_list ec = TMPL(U(CLASS, CKO_PRIVATE_KEY), U(KEY_TYPE, CKK_EC)),
		aes = TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES));

	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++) {
		use(w, unwrap(w, mechs[i], kek, in, ec));
		use(w, unwrap(w, mechs[i], kek, in, aes));
	}
}

/* The bytes are the template of an object. */
static void object(struct who *w, struct slice in)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct attr_list t;

	if (attrs_nested(in, &a, &t) == HF_OK)
		drop(w, make(w, t));
}

/* The bytes are a template that a key holds against others. */
static void ruled(struct who *w, struct slice in)
{
	static const uint8_t sealed[32] = { 0 };
	uint64_t with = make(w, TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), AES_16,
		V(WRAP_TEMPLATE, in), V(UNWRAP_TEMPLATE, in), V(DERIVE_TEMPLATE, in)));

	if (with == 0)
		return;
	use(w, unwrap(w, CBC, with, SLICE_OF(sealed), TMPL(U(KEY_TYPE, CKK_AES))));
	(void)!do_key_wrap(w, &(struct key_wrap_req){ MECH(AES_KEY_WRAP), with, kek, 100 },
		&(struct key_wrap_res){ 0 });
	drop(w, with);
}

static void (*const targets[])(struct who *, struct slice) = { plain, blob, object, ruled };
#define TARGETS (sizeof(targets) / sizeof(targets[0]))

static struct who *ready_user(void)
{
	struct who *w = fuzz_user();

	if (kek == 0)
		kek = make(w, TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), AES_16, B(ENCRYPT, 1),
			B(DECRYPT, 1), B(WRAP, 1), B(UNWRAP, 1), B(EXTRACTABLE, 1)));
	must(kek != 0 ? HF_OK : HF_E_INTERNAL);
	return w;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct who *w = ready_user();

	if (n > 0 && n < 60000)
		targets[p[0] % TARGETS](w, (struct slice){ p + 1, n - 1 });
	arena_reset(&w->arena);
	return 0;
}

/* --- seeds ------------------------------------------------------------------- */

static const uint8_t p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };

static const uint8_t ml_dsa_44[8] = { 0, 0, 0, 0, 0, 0, 0, CKP_ML_DSA_44 };
static const uint8_t bits_1024[8] = { 0, 0, 0, 0, 0, 0, 4, 0 };

/* wrapped is a new key of a pair under the KEK. */
static struct slice wrapped(struct who *w, struct mech_in gen, struct attr pub, struct mech_in how)
{
	struct key_pair_generate_req q = { gen, { &pub, 1 }, TMPL(B(EXTRACTABLE, 1)) };
	struct key_pair_generate_res pair;
	struct key_wrap_res r = { 0 };

	must(do_key_pair_generate(w, &q, &pair));
	must(do_key_wrap(w, &(struct key_wrap_req){ how, kek, pair.private_key, 65536 }, &r));
	return r.out;
}

static struct slice opened(struct who *w, struct slice sealed)
{
	struct decrypt_res r = { 0 };

	must(do_decrypt_init(w, &(struct decrypt_init_req){ CBC, kek },
		&(struct decrypt_init_res){ 0 }));
	must(do_decrypt(w, &(struct decrypt_req){ sealed, 65536 }, &r));
	return r.out;
}

/* Templates as attrs_nested reads them: a count, then type, length and value. */
static const uint8_t data[] = { 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0,
	0, 0, 0, 3, 0, 0, 0, 1, 'x' };
#define NEST(n) 0, 0, 0, 1, 0x40, 0, 2, 0x11, 0, 0, 0, n
static const uint8_t deep[] = { NEST(36), NEST(24), NEST(12), NEST(0) };
static const uint8_t label[] = { 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 1, 'x' };

/* What each target, by its place, starts from. */
static const struct {
	uint8_t target;
	struct slice template; /* none: a wrapped key */
	uint32_t gen, type;
	struct slice value;
} seeds[] = {
	{ 0, { 0 }, CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, { p256, sizeof(p256) } },
	{ 0, { 0 }, CKM_ML_DSA_KEY_PAIR_GEN, CKA_PARAMETER_SET, { ml_dsa_44, 8 } },
	{ 0, { 0 }, CKM_RSA_PKCS_KEY_PAIR_GEN, CKA_MODULUS_BITS, { bits_1024, 8 } },
	{ 1, { 0 }, CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, { p256, sizeof(p256) } },
	{ 2, { data, sizeof(data) }, 0, 0, { 0 } },
	{ 2, { deep, sizeof(deep) }, 0, 0, { 0 } },
	{ 3, { label, sizeof(label) }, 0, 0, { 0 } },
	{ 3, { deep, sizeof(deep) }, 0, 0, { 0 } },
};

static struct slice seed(struct who *w, size_t i)
{
	struct mech_in gen = { seeds[i].gen, SLICE_NONE };
	struct attr pub = { seeds[i].type, seeds[i].value };

	if (seeds[i].template.n != 0)
		return seeds[i].template;
	if (seeds[i].target == 1)
		return wrapped(w, gen, pub, MECH(AES_KEY_WRAP_KWP));
	return opened(w, wrapped(w, gen, pub, CBC));
}

size_t fuzz_seed(size_t i, uint8_t *p, size_t max)
{
	struct who *w = ready_user();
	struct slice s;

	if (i >= sizeof(seeds) / sizeof(seeds[0]))
		return 0;
	s = seed(w, i);
	must(s.n + 1 <= max ? HF_OK : HF_E_INTERNAL);
	p[0] = seeds[i].target;
	if (s.p != NULL)
		memcpy(p + 1, s.p, s.n);
	arena_reset(&w->arena);
	return s.n + 1;
}
