/* bench_pkcs11 MODULE WORK THREADS SECONDS: repeats one piece of work through any
 * PKCS#11 module and prints a JSON line. Slot 0's token is initialized if it is
 * not; keys are token objects, made on first use and found again later. */
#include "bench.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkcs11.h"

#define PIN pin
#define PIN_LEN 8
#define PART(a) (a), sizeof(a)

static CK_UTF8CHAR pin[] = "12345678";
static CK_FUNCTION_LIST *p11;
static CK_SLOT_ID slot;
static CK_BBOOL yes = CK_TRUE;

static const CK_BYTE p256[] = { 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
static const CK_BYTE p384[] = { 0x06, 5, 0x2b, 0x81, 4, 0, 0x22 };
static const CK_BYTE ed25519[] = { 0x13, 12, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9' };

/* struct key_kind: how a key is made for a piece of work. */
struct key_kind {
	CK_MECHANISM_TYPE generate;
	CK_ATTRIBUTE_TYPE param; /* of the public template (pair) or the key's */
	const void *value;
	CK_ULONG len;
	CK_BBOOL pair;
};

static const CK_ULONG bits2048 = 2048, bits4096 = 4096, len32 = 32, mldsa65 = CKP_ML_DSA_65;

struct work {
	const char *name;
	struct key_kind key;
	CK_MECHANISM_TYPE mechanism;
	size_t data; /* bytes */
	enum { SIGN, VERIFY, ENCRYPT, GENERATE, RANDOM, NOTHING } what;
};

#define RSA(bits) { CKM_RSA_PKCS_KEY_PAIR_GEN, CKA_MODULUS_BITS, &bits, sizeof(bits), CK_TRUE }
#define EC(curve) { CKM_EC_KEY_PAIR_GEN, CKA_EC_PARAMS, curve, sizeof(curve), CK_TRUE }
#define ED25519 { CKM_EC_EDWARDS_KEY_PAIR_GEN, CKA_EC_PARAMS, ed25519, sizeof(ed25519), CK_TRUE }
#define MLDSA65 { CKM_ML_DSA_KEY_PAIR_GEN, CKA_PARAMETER_SET, &mldsa65, sizeof(mldsa65), CK_TRUE }
#define SECRET(mech) { mech, CKA_VALUE_LEN, &len32, sizeof(len32), CK_FALSE }

static const struct work works[] = {
	{ "rsa2048-sign", RSA(bits2048), CKM_SHA256_RSA_PKCS, 32, SIGN },
	{ "rsa4096-sign", RSA(bits4096), CKM_SHA256_RSA_PKCS, 32, SIGN },
	{ "p256-sign", EC(p256), CKM_ECDSA, 32, SIGN },
	{ "p384-sign", EC(p384), CKM_ECDSA, 48, SIGN },
	{ "ed25519-sign", ED25519, CKM_EDDSA, 32, SIGN },
	{ "mldsa65-sign", MLDSA65, CKM_ML_DSA, 32, SIGN },
	{ "p256-verify", EC(p256), CKM_ECDSA, 32, VERIFY },
	{ "hmac-32", SECRET(CKM_GENERIC_SECRET_KEY_GEN), CKM_SHA256_HMAC, 32, SIGN },
	{ "aes-gcm-16", SECRET(CKM_AES_KEY_GEN), CKM_AES_GCM, 16, ENCRYPT },
	{ "aes-gcm-1k", SECRET(CKM_AES_KEY_GEN), CKM_AES_GCM, 1024, ENCRYPT },
	{ "aes-gcm-16k", SECRET(CKM_AES_KEY_GEN), CKM_AES_GCM, 16384, ENCRYPT },
	{ "aes-gcm-1m", SECRET(CKM_AES_KEY_GEN), CKM_AES_GCM, 1048576, ENCRYPT },
	{ "p256-generate", EC(p256), 0, 0, GENERATE },
	{ "random-32", { 0 }, 0, 32, RANDOM },
	{ "session-info", { 0 }, 0, 0, NOTHING },
};

static void must(CK_RV rv, const char *what)
{
	if (rv == CKR_OK)
		return;
	fprintf(stderr, "%s: 0x%lx\n", what, rv);
	exit(1);
}

static CK_RV make_key(CK_SESSION_HANDLE s, const struct key_kind *k, const char *label,
	CK_BBOOL token, CK_OBJECT_HANDLE *ret_pub, CK_OBJECT_HANDLE *ret)
{
	CK_MECHANISM m = { k->generate, NULL, 0 };
	CK_BYTE e[] = { 1, 0, 1 };
	CK_ATTRIBUTE pub[] = { { k->param, (void *)(uintptr_t)k->value, k->len },
		{ CKA_TOKEN, &token, 1 }, { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
		{ CKA_VERIFY, &yes, 1 }, { CKA_PUBLIC_EXPONENT, PART(e) } };
	CK_ATTRIBUTE priv[] = { { CKA_TOKEN, &token, 1 },
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) }, { CKA_PRIVATE, &yes, 1 },
		{ CKA_SIGN, &yes, 1 } };
	CK_ATTRIBUTE secret[] = { pub[0], pub[1], pub[2], priv[2], priv[3],
		{ CKA_ENCRYPT, &yes, 1 } };
	CK_ULONG pubs = k->param == CKA_MODULUS_BITS ? 5 : 4;

	if (k->pair)
		return p11->C_GenerateKeyPair(s, &m, pub, pubs, priv, 4, ret_pub, ret);
	return p11->C_GenerateKey(s, &m, secret, 6, ret);
}

static CK_OBJECT_HANDLE find(CK_SESSION_HANDLE s, const char *label, CK_OBJECT_CLASS class)
{
	CK_ATTRIBUTE t[] = { { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
		{ CKA_CLASS, &class, sizeof(class) } };
	CK_OBJECT_HANDLE h = 0;
	CK_ULONG n = 0;

	must(p11->C_FindObjectsInit(s, t, 2), "C_FindObjectsInit");
	must(p11->C_FindObjects(s, &h, 1, &n), "C_FindObjects");
	must(p11->C_FindObjectsFinal(s), "C_FindObjectsFinal");
	return n == 1 ? h : 0;
}

static CK_SESSION_HANDLE open_session(void)
{
	CK_SESSION_HANDLE s;

	must(p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s),
		"C_OpenSession");
	return s;
}

/* token_ready initializes the first token if it is not, and logs the user in. */
static CK_SESSION_HANDLE token_ready(void)
{
	CK_SLOT_ID slots[64];
	CK_ULONG n = 64;
	CK_TOKEN_INFO info;
	CK_UTF8CHAR label[32];
	CK_SESSION_HANDLE s;

	memset(label, ' ', sizeof(label));
	memcpy(label, "bench", 5);
	must(p11->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList");
	slot = slots[0];
	must(p11->C_GetTokenInfo(slot, &info), "C_GetTokenInfo");
	if (!(info.flags & CKF_TOKEN_INITIALIZED)) {
		must(p11->C_InitToken(slot, PIN, PIN_LEN, label), "C_InitToken");
		n = 64;
		must(p11->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList");
		for (CK_ULONG i = 0; i < n; i++)
			if (p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
			    (info.flags & CKF_TOKEN_INITIALIZED))
				slot = slots[i];
		s = open_session();
		must(p11->C_Login(s, CKU_SO, PIN, PIN_LEN), "C_Login SO");
		must(p11->C_InitPIN(s, PIN, PIN_LEN), "C_InitPIN");
		must(p11->C_Logout(s), "C_Logout");
		must(p11->C_CloseSession(s), "C_CloseSession");
	}
	s = open_session();
	must(p11->C_Login(s, CKU_USER, PIN, PIN_LEN), "C_Login");
	return s;
}

struct shared {
	const struct work *work;
	CK_OBJECT_HANDLE key, pub;
	CK_BYTE signature[8192];
	CK_ULONG signature_len;
};

struct state {
	struct shared *shared;
	CK_SESSION_HANDLE session;
	CK_BYTE *data, *out;
	CK_ULONG max;
};

static void *start(void *arg)
{
	struct shared *sh = arg;
	struct state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->shared = sh;
	s->session = open_session();
	s->max = sh->work->data + 8192;
	s->data = calloc(1, s->max);
	s->out = calloc(1, s->max);
	memset(s->data, 0x5a, s->max);
	return s;
}

static void stop(void *arg)
{
	struct state *s = arg;

	p11->C_CloseSession(s->session);
	free(s->data);
	free(s->out);
	free(s);
}

static bool once_sign(void *arg)
{
	struct state *s = arg;
	CK_MECHANISM m = { s->shared->work->mechanism, NULL, 0 };
	CK_ULONG n = s->max;

	return p11->C_SignInit(s->session, &m, s->shared->key) == CKR_OK &&
	       p11->C_Sign(s->session, s->data, s->shared->work->data, s->out, &n) == CKR_OK;
}

static bool once_verify(void *arg)
{
	struct state *s = arg;
	CK_MECHANISM m = { s->shared->work->mechanism, NULL, 0 };

	return p11->C_VerifyInit(s->session, &m, s->shared->pub) == CKR_OK &&
	       p11->C_Verify(s->session, s->data, s->shared->work->data, s->shared->signature,
		       s->shared->signature_len) == CKR_OK;
}

static bool once_encrypt(void *arg)
{
	struct state *s = arg;
	CK_BYTE iv[12] = { 1 };
	CK_GCM_PARAMS gcm = { iv, 12, 96, NULL, 0, 128 };
	CK_MECHANISM m = { CKM_AES_GCM, &gcm, sizeof(gcm) };
	CK_ULONG n = s->max;

	return p11->C_EncryptInit(s->session, &m, s->shared->key) == CKR_OK &&
	       p11->C_Encrypt(s->session, s->data, s->shared->work->data, s->out, &n) == CKR_OK;
}

static bool once_generate(void *arg)
{
	struct state *s = arg;
	CK_OBJECT_HANDLE pub, priv;

	return make_key(s->session, &s->shared->work->key, "bench-made", CK_TRUE, &pub, &priv) ==
	       CKR_OK;
}

static bool once_random(void *arg)
{
	struct state *s = arg;

	return p11->C_GenerateRandom(s->session, s->out, s->shared->work->data) == CKR_OK;
}

static bool once_nothing(void *arg)
{
	struct state *s = arg;
	CK_SESSION_INFO info;

	return p11->C_GetSessionInfo(s->session, &info) == CKR_OK;
}

static void prepare(CK_SESSION_HANDLE s, struct shared *sh)
{
	const struct work *w = sh->work;
	struct state st = { sh, s, sh->signature, sh->signature, sizeof(sh->signature) };

	if (w->key.value == NULL || w->what == GENERATE)
		return;
	sh->key = find(s, w->name, w->key.pair ? CKO_PRIVATE_KEY : CKO_SECRET_KEY);
	sh->pub = find(s, w->name, CKO_PUBLIC_KEY);
	if (sh->key == 0)
		must(make_key(s, &w->key, w->name, CK_TRUE, &sh->pub, &sh->key), "generate");
	if (w->what == VERIFY) {
		CK_BYTE data[64];

		memset(data, 0x5a, sizeof(data));
		st.data = data;
		if (!once_sign(&st))
			must(CKR_GENERAL_ERROR, "signature to verify");
		sh->signature_len = 64;
	}
}

static void load(const char *path)
{
	void *lib = dlopen(path, RTLD_NOW);
	CK_RV (*get)(CK_FUNCTION_LIST **) = NULL;

	if (lib == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&get = dlsym(lib, "C_GetFunctionList");
	if (get == NULL)
		must(CKR_GENERAL_ERROR, "no C_GetFunctionList");
	must(get(&p11), "C_GetFunctionList");
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	must(p11->C_Initialize(&args), "C_Initialize");
}

static const struct work *work_named(const char *name)
{
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (strcmp(works[i].name, name) == 0)
			return &works[i];
	fprintf(stderr, "no such work: %s; there is:", name);
	for (size_t i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		fprintf(stderr, " %s", works[i].name);
	fprintf(stderr, "\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static bool (*const once[])(void *) = { once_sign, once_verify, once_encrypt, once_generate,
		once_random, once_nothing };
	struct shared sh = { 0 };

	if (argc != 5) {
		fprintf(stderr, "usage: bench_pkcs11 MODULE WORK THREADS SECONDS\n");
		return 2;
	}
	sh.work = work_named(argv[2]);
	load(argv[1]);
	CK_SESSION_HANDLE s = token_ready();
	prepare(s, &sh);
	struct bench_work w = { start, once[sh.work->what], stop, &sh };
	unsigned threads = (unsigned)atoi(argv[3]);
	if (threads < 1 || threads > BENCH_THREADS_MAX)
		return 2;
	struct bench_result r = bench_run(&w, threads, atof(argv[4]));
	bench_print(sh.work->name, threads, &r);
	p11->C_Finalize(NULL);
	return r.ok ? 0 : 1;
}
