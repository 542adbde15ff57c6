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
