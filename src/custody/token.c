#include "token.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "pkcs11.h"
#include "secret.h"

#define SLOTS 4096u
#define APPLICATION "holdfast share"

struct token {
	void *lib;
	CK_FUNCTION_LIST *p11;
	bool owns; /* began it, and ends it */
	CK_SESSION_HANDLE session;
	bool open;
	CK_RV says;
};

static enum hf_err must(struct token *t, CK_RV rv)
{
	t->says = rv;
	if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LEN_RANGE)
		return HF_E_PIN_INCORRECT;
	if (rv == CKR_PIN_LOCKED)
		return HF_E_PIN_LOCKED;
	return rv == CKR_OK ? HF_OK : HF_E_TOKEN;
}

unsigned long token_says(const struct token *t)
{
	return t->says;
}

/* --- opening ----------------------------------------------------------------------- */

static enum hf_err load(struct token *t, const char *module)
{
	CK_RV (*get)(CK_FUNCTION_LIST **) = NULL;
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_OS_LOCKING_OK };
	CK_RV rv;

	t->lib = dlopen(module, RTLD_NOW | RTLD_LOCAL);
	if (t->lib == NULL)
		return HF_E_TOKEN_MODULE;
	*(void **)&get = dlsym(t->lib, "C_GetFunctionList");
	if (get == NULL || get(&t->p11) != CKR_OK)
		return HF_E_TOKEN_MODULE;
	rv = t->p11->C_Initialize(&args);
	t->owns = rv == CKR_OK;
	return rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? HF_OK : HF_E_TOKEN_MODULE;
}

static bool is_called(const CK_TOKEN_INFO *info, const char *label)
{
	size_t n = sizeof(info->label);

	while (n > 0 && info->label[n - 1] == ' ')
		n--;
	return slice_eq((struct slice){ info->label, n }, slice_str(label));
}

static enum hf_err find_slot(struct token *t, const char *label, CK_SLOT_ID *ret)
{
	CK_SLOT_ID *slots = hf_alloc(SLOTS, sizeof(*slots));
	CK_ULONG n = SLOTS;
	enum hf_err e = HF_E_SLOT;

	if (slots == NULL)
		return HF_E_MEMORY;
	if (t->p11->C_GetSlotList(CK_TRUE, slots, &n) != CKR_OK)
		n = 0;
	for (CK_ULONG i = 0; i < n && e != HF_OK; i++) {
		CK_TOKEN_INFO info;

		*ret = slots[i];
		if (t->p11->C_GetTokenInfo(slots[i], &info) == CKR_OK && is_called(&info, label))
			e = HF_OK;
	}
	hf_free(slots);
	return e;
}

static enum hf_err open_token(struct token *t, const char *module, const char *label,
	struct slice pin)
{
	CK_UTF8CHAR *p = (CK_UTF8CHAR *)(uintptr_t)pin.p;
	CK_SLOT_ID slot;
	enum hf_err e;

	TRY(load(t, module));
	TRY(find_slot(t, label, &slot));
	TRY(must(t, t->p11->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL,
		&t->session)));
	t->open = true;
	e = must(t, t->p11->C_Login(t->session, CKU_USER, p, pin.n));
	return t->says == CKR_USER_ALREADY_LOGGED_IN ? HF_OK : e;
}

enum hf_err token_open(const char *module, const char *label, struct slice pin,
	struct token **ret)
{
	struct token *t = hf_alloc(1, sizeof(*t));
	enum hf_err e;

	if (t == NULL)
		return HF_E_MEMORY;
	e = open_token(t, module, label, pin);
	if (e != HF_OK) {
		token_close(t);
		return e;
	}
	*ret = t;
	return HF_OK;
}

/* A module stays loaded: some do not survive dlclose. */
void token_close(struct token *t)
{
	if (t == NULL)
		return;
	if (t->open) {
		(void)t->p11->C_Logout(t->session);
		(void)t->p11->C_CloseSession(t->session);
	}
	if (t->owns)
		(void)t->p11->C_Finalize(NULL);
	hf_free(t);
}

/* --- objects ------------------------------------------------------------------------ */

static CK_OBJECT_CLASS data_class = CKO_DATA;
static CK_BBOOL yes = CK_TRUE;
static char application[] = APPLICATION;
#define OURS                                                                   \
	{ CKA_CLASS, &data_class, sizeof(data_class) },                        \
	{ CKA_APPLICATION, application, sizeof(application) - 1 }

static enum hf_err find(struct token *t, CK_ATTRIBUTE *tmpl, CK_ULONG n,
	CK_OBJECT_HANDLE ret[TOKEN_SHARES], CK_ULONG *ret_n)
{
	enum hf_err e;

	TRY(must(t, t->p11->C_FindObjectsInit(t->session, tmpl, n)));
	e = must(t, t->p11->C_FindObjects(t->session, ret, TOKEN_SHARES, ret_n));
	(void)t->p11->C_FindObjectsFinal(t->session);
	return e;
}

enum hf_err token_put(struct token *t, const char *label, struct slice text)
{
	CK_OBJECT_HANDLE there[TOKEN_SHARES], made;
	CK_ULONG n;
	CK_ATTRIBUTE v[] = {
		OURS,
		{ CKA_LABEL, (void *)(uintptr_t)label, strlen(label) },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_VALUE, (void *)(uintptr_t)text.p, text.n },
	};

	TRY(find(t, v, 3, there, &n));
	if (n > 0)
		return HF_E_TOKEN_THERE;
	return must(t, t->p11->C_CreateObject(t->session, v, sizeof(v) / sizeof(v[0]), &made));
}

enum hf_err token_get(struct token *t, size_t i, struct buf *out)
{
	CK_ATTRIBUTE ours[] = { OURS };
	CK_OBJECT_HANDLE all[TOKEN_SHARES];
	uint8_t value[TOKEN_VALUE];
	CK_ATTRIBUTE want = { CKA_VALUE, value, sizeof(value) };
	CK_ULONG n;

	TRY(find(t, ours, 2, all, &n));
	if (i >= n)
		return HF_E_CARD_EMPTY;
	TRY(must(t, t->p11->C_GetAttributeValue(t->session, all[i], &want, 1)));
	buf_raw(out, (struct slice){ value, want.ulValueLen });
	return buf_err(out);
}
