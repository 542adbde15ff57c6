#include "err.h"

#include "pkcs11.h"

struct row {
	const char *name, *text;
	unsigned long ckr;
	enum hf_blame blame;
};

static const struct row rows[HF_ERR_COUNT] = {
	[HF_OK] = { "OK", "done", CKR_OK, HF_BLAME_NONE },
#define ERR(name, ckr, blame, text) [HF_E_##name] = { #name, text, CKR_##ckr, HF_BLAME_##blame },
#include "errors.def"
#undef ERR
};

static const struct row *row_of(enum hf_err e)
{
	unsigned n = (unsigned)e;

	return &rows[n < HF_ERR_COUNT ? n : HF_E_INTERNAL];
}

const char *err_name(enum hf_err e)
{
	return row_of(e)->name;
}

const char *err_text(enum hf_err e)
{
	return row_of(e)->text;
}

unsigned long err_ckr(enum hf_err e)
{
	return row_of(e)->ckr;
}

enum hf_blame err_blame(enum hf_err e)
{
	return row_of(e)->blame;
}

enum hf_err err_from_wire(unsigned n)
{
	return n < HF_ERR_COUNT ? (enum hf_err)n : HF_E_INTERNAL;
}
