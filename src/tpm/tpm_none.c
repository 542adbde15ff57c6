/* tpm_none.c: built without libtss2. */
#include "tpm.h"

enum hf_err tpm_open(int fd, struct tpm **ret)
{
	(void)fd;
	(void)ret;
	return HF_E_UNSUPPORTED;
}

void tpm_close(struct tpm *t)
{
	(void)t;
}

enum hf_err tpm_seal(struct tpm *t, uint32_t pcrs, struct slice pin, struct slice secret,
	struct buf *out)
{
	(void)t;
	(void)pcrs;
	(void)pin;
	(void)secret;
	(void)out;
	return HF_E_UNSUPPORTED;
}

enum hf_err tpm_unseal(struct tpm *t, struct slice sealed, struct slice pin, struct secret *ret,
	char why[TPM_WHY])
{
	(void)t;
	(void)sealed;
	(void)pin;
	(void)ret;
	(void)why;
	return HF_E_UNSUPPORTED;
}

enum hf_err tpm_counter_make(struct tpm *t, struct tpm_counter *c, uint64_t *ret)
{
	(void)t;
	(void)c;
	(void)ret;
	return HF_E_UNSUPPORTED;
}

enum hf_err tpm_counter_read(struct tpm *t, const struct tpm_counter *c, uint64_t *ret)
{
	(void)t;
	(void)c;
	(void)ret;
	return HF_E_UNSUPPORTED;
}

enum hf_err tpm_counter_up(struct tpm *t, const struct tpm_counter *c, uint64_t *ret)
{
	(void)t;
	(void)c;
	(void)ret;
	return HF_E_UNSUPPORTED;
}

enum hf_err tpm_counter_there(struct tpm *t, uint32_t index, bool *ret)
{
	(void)t;
	(void)index;
	(void)ret;
	return HF_E_UNSUPPORTED;
}

enum hf_err tpm_counter_drop(struct tpm *t, uint32_t index)
{
	(void)t;
	(void)index;
	return HF_E_UNSUPPORTED;
}
