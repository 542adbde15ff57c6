#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tpm.h"

#define FORMAT 1

void tpm_pcrs_text(uint32_t pcrs, char out[TPM_PCRS_TEXT])
{
	size_t n = 0;

	(void)snprintf(out, TPM_PCRS_TEXT, "none");
	for (unsigned i = 0; i < TPM_PCRS; i++)
		if ((pcrs >> i & 1) != 0)
			n += (size_t)snprintf(out + n, TPM_PCRS_TEXT - n, "%s%u", n > 0 ? "," : "", i);
}

bool tpm_pcrs_parse(const char *text, uint32_t *ret)
{
	uint32_t pcrs = 0;

	for (const char *s = text;; s++) {
		unsigned long i;
		char *end;

		if (!isdigit((unsigned char)*s))
			return false;
		i = strtoul(s, &end, 10);
		if (i >= TPM_PCRS || (*end != ',' && *end != '\0'))
			return false;
		pcrs |= 1u << i;
		s = end;
		if (*s == '\0')
			break;
	}
	*ret = pcrs;
	return true;
}

bool tpm_sealed_for(struct slice sealed, uint32_t *ret_pcrs, bool *ret_pin)
{
	struct rd r = rd_of(sealed);
	uint8_t format;

	return rd_u8(&r, &format) && format == FORMAT && rd_u32(&r, ret_pcrs) &&
		*ret_pcrs >> TPM_PCRS == 0 && rd_bool(&r, ret_pin);
}
