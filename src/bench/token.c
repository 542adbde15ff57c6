/* token.c: the module, its token, and the keys in it. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "secret.h"

#define SLOTS 4096
#define REMOVED_AT_ONCE 64

static const struct {
	CK_RV rv;
	const char *name;
} names[] = {
#define ERR(name, ckr, blame, text) { CKR_##ckr, "CKR_" #ckr },
#include "errors.def"
#undef ERR
};

bool said(CK_RV rv, const char *what)
{
	char number[32];
	const char *name = number;

	if (rv == CKR_OK)
		return true;
	(void)snprintf(number, sizeof(number), "CKR 0x%lx", rv);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].rv == rv)
			name = names[i].name;
	fprintf(stderr, "holdfast: bench: %s: %s\n", what, name);
	return false;
}

bool bench_session(struct bench *b, CK_SESSION_HANDLE *ret)
{
	return said(b->p11->C_OpenSession(b->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, ret),
		"C_OpenSession");
}

bool bench_login(struct bench *b)
{
	return said(b->p11->C_Login(b->session, CKU_USER, (CK_UTF8CHAR *)(uintptr_t)b->pin, strlen(b->pin)),
		"C_Login");
}

/* --- the token ----------------------------------------------------------------- */

static bool is_called(const CK_TOKEN_INFO *info, const char *label)
{
	size_t n = sizeof(info->label);

	while (n > 0 && info->label[n - 1] == ' ')
		n--;
	return strlen(label) == n && strncmp((const char *)info->label, label, n) == 0;
}

/* pick finds the token, or, with init, a slot that has none yet. */
static bool pick(struct bench *b, const struct bench_target *t, bool want_initialized)
{
	CK_SLOT_ID *slots = hf_alloc(SLOTS, sizeof(*slots));
	CK_ULONG n = SLOTS;
	bool found = false;

	if (slots == NULL || !said(b->p11->C_GetSlotList(CK_TRUE, slots, &n), "C_GetSlotList"))
		n = 0;
	for (CK_ULONG i = 0; i < n && !found; i++) {
		CK_TOKEN_INFO info;

		if (b->p11->C_GetTokenInfo(slots[i], &info) != CKR_OK ||
		    ((info.flags & CKF_TOKEN_INITIALIZED) != 0) != want_initialized)
			continue;
		found = !want_initialized || t->token == NULL || is_called(&info, t->token);
		b->slot = slots[i];
	}
	hf_free(slots);
	return found;
}

static bool init_token(struct bench *b, const struct bench_target *t)
{
	CK_UTF8CHAR *pin = (CK_UTF8CHAR *)(uintptr_t)t->pin;
	char label[33];
	const char *name = t->token != NULL ? t->token : "bench";
	CK_ULONG n = strlen(t->pin);
	bool ok;

	snprintf(label, sizeof(label), "%-32s", name);
	if (!pick(b, t, false) ||
	    !said(b->p11->C_InitToken(b->slot, pin, n, (CK_UTF8CHAR *)label), "C_InitToken"))
		return false;
	b->made = name;
	if (!pick(b, t, true) || !bench_session(b, &b->session))
		return false;
	ok = said(b->p11->C_Login(b->session, CKU_SO, pin, n), "C_Login as security officer") &&
	     said(b->p11->C_InitPIN(b->session, pin, n), "C_InitPIN") &&
	     said(b->p11->C_Logout(b->session), "C_Logout");
	(void)b->p11->C_CloseSession(b->session);
	return ok;
}

static bool find_token(struct bench *b, const struct bench_target *t)
{
	if (pick(b, t, true) || (t->init && init_token(b, t)))
		return true;
	fprintf(stderr, "holdfast: bench: %s has no initialized token%s%s\n", t->module,
		t->token != NULL ? " called " : "", t->token != NULL ? t->token : "");
	return false;
}

CK_RV bench_initialize(const struct bench *b)
{
	struct {
		CK_C_INITIALIZE_ARGS standard;
		void *reserved; /* NSS has its text where the standard has a NULL, and that behind it */
	} args = { .standard = { .flags = CKF_OS_LOCKING_OK, .pReserved = (void *)(uintptr_t)b->init_text } };

	return b->p11->C_Initialize(&args.standard);
}

static bool find_functions(const char *module, CK_FUNCTION_LIST **ret)
{
	CK_RV (*get)(CK_FUNCTION_LIST **) = NULL;
	void *lib = dlopen(module, RTLD_NOW); /* it stays loaded: some modules do not survive dlclose */

	if (lib == NULL) {
		fprintf(stderr, "holdfast: bench: %s\n", dlerror());
		return false;
	}
	*(void **)&get = dlsym(lib, "C_GetFunctionList");
	if (get == NULL || get(ret) != CKR_OK) {
		fprintf(stderr, "holdfast: bench: %s is no PKCS#11 module\n", module);
		return false;
	}
	return true;
}

bool bench_loads(const char *module)
{
	CK_FUNCTION_LIST *p11;

	return find_functions(module, &p11);
}

static bool load(struct bench *b, const struct bench_target *t)
{
	if (find_functions(t->module, &b->p11) && said(bench_initialize(b), "C_Initialize"))
		return true;
	b->p11 = NULL;
	return false;
}

bool bench_open(const struct bench_target *t, struct bench **ret)
{
	struct bench *b = hf_alloc(1, sizeof(*b));

	if (b != NULL) {
		b->pin = t->pin;
		b->init_text = t->init_text;
		b->wait_fd = t->wait_fd;
	}
	if (b != NULL && load(b, t) && find_token(b, t) && bench_session(b, &b->session) &&
	    bench_login(b)) {
		*ret = b;
		return true;
	}
	bench_close(b);
	return false;
}

/* --- keys ------------------------------------------------------------------------ */

static CK_BBOOL yes = CK_TRUE;

CK_RV bench_make_key(struct bench *b, CK_SESSION_HANDLE s, const struct key_kind *k,
	const char *label, bool token, CK_OBJECT_HANDLE *ret_public, CK_OBJECT_HANDLE *ret)
{
	CK_MECHANISM m = { k->generate, NULL, 0 };
	CK_BYTE exponent[] = { 1, 0, 1 };
	CK_BBOOL stays = token;
	CK_ATTRIBUTE is_token = { CKA_TOKEN, &stays, 1 },
		size = { k->param, (void *)(uintptr_t)k->value, k->len },
		name = { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) };
	CK_ATTRIBUTE pub[] = { size, is_token, name, { CKA_VERIFY, &yes, 1 },
		{ CKA_PUBLIC_EXPONENT, exponent, sizeof(exponent) } };
	CK_ATTRIBUTE priv[] = { is_token, name, { CKA_PRIVATE, &yes, 1 }, { CKA_SIGN, &yes, 1 } };
	CK_ATTRIBUTE secret[] = { size, is_token, name, { CKA_PRIVATE, &yes, 1 }, { CKA_SIGN, &yes, 1 },
		{ CKA_ENCRYPT, &yes, 1 }, { CKA_ID, (void *)(uintptr_t)label, strlen(label) } };

	if (!k->pair)
		return b->p11->C_GenerateKey(s, &m, secret, 7, ret);
	return b->p11->C_GenerateKeyPair(s, &m, pub, k->param == CKA_MODULUS_BITS ? 5 : 4, priv, 4,
		ret_public, ret);
}

CK_OBJECT_HANDLE bench_find(struct bench *b, CK_SESSION_HANDLE s, CK_ATTRIBUTE_TYPE by,
	const char *value, CK_OBJECT_CLASS class)
{
	CK_ATTRIBUTE t[] = { { by, (void *)(uintptr_t)value, strlen(value) },
		{ CKA_CLASS, &class, sizeof(class) } };
	CK_OBJECT_HANDLE found[2];
	CK_ULONG n = 0;

	if (!said(b->p11->C_FindObjectsInit(s, t, 2), "C_FindObjectsInit"))
		return 0;
	if (!said(b->p11->C_FindObjects(s, found, 2, &n), "C_FindObjects"))
		n = 0;
	(void)b->p11->C_FindObjectsFinal(s);
	return n == 1 ? found[0] : 0;
}

bool bench_remove_some(struct bench *b, const char *label)
{
	CK_ATTRIBUTE t = { CKA_LABEL, (void *)(uintptr_t)label, strlen(label) };
	CK_OBJECT_HANDLE found[REMOVED_AT_ONCE];
	CK_ULONG n = 0, gone = 0;

	if (b->p11->C_FindObjectsInit(b->session, &t, 1) != CKR_OK)
		return false;
	if (b->p11->C_FindObjects(b->session, found, REMOVED_AT_ONCE, &n) != CKR_OK)
		n = 0;
	(void)b->p11->C_FindObjectsFinal(b->session);
	for (CK_ULONG i = 0; i < n; i++)
		gone += b->p11->C_DestroyObject(b->session, found[i]) == CKR_OK;
	return gone > 0;
}

static void remove_own(struct bench *b)
{
	char label[BENCH_LABEL_MAX];

	bench_unfill(b);
	for (size_t i = 0; bench_name(i) != NULL; i++) {
		bench_label(b, bench_name(i), label);
		while (bench_remove_some(b, label))
			;
	}
}

void bench_close(struct bench *b)
{
	if (b == NULL)
		return;
	if (b->mark[0] != '\0')
		remove_own(b);
	if (b->p11 != NULL)
		(void)b->p11->C_Finalize(NULL);
	if (b->made != NULL)
		fprintf(stderr, "holdfast: bench: the token '%s', which --init made, stays\n", b->made);
	hf_free(b);
}
