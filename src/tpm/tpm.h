/* tpm.h: a secret that a TPM 2.0 gives back only while the machine is as it was.
 *
 * Commands go over one descriptor that somebody else opened: a character device
 * (/dev/tpmrm0) or a connected socket of a TPM simulator. Secrets pass it in sessions
 * that are salted for a key of the TPM and encrypted, so that who listens learns none. */
#ifndef HF_TPM_H
#define HF_TPM_H

#include <stdbool.h>
#include <stdint.h>

#include "bytes.h"
#include "err.h"
#include "secret.h"

#define TPM_PCRS 24u
#define TPM_PCRS_TEXT 80 /* bytes for tpm_pcrs_text */
#define TPM_SEALED_MAX 1600u
#define TPM_WHY 200

struct tpm; /* its functions may be called by several threads, and take turns */

/* tpm_open takes fd over; it is asked nothing yet. HF_E_UNSUPPORTED: built without TPM. */
enum hf_err tpm_open(int fd, struct tpm **ret) HF_MUST_CHECK;
void tpm_close(struct tpm *t); /* NULL-safe */

/* tpm_seal lets the TPM seal up to 64 bytes for PCRs of the SHA-256 bank as they are now
 * (bit n: PCR n; 0: none) and, unless empty, a PIN. Appends what tpm_unseal takes:
 *   format u8 | PCRs u32 | has a PIN u8 | name of the TPM's key 34 | PCRs * SHA-256
 *   | TPM2B_PUBLIC | TPM2B_PRIVATE */
enum hf_err tpm_seal(struct tpm *t, uint32_t pcrs, struct slice pin, struct slice secret,
	struct buf *out) HF_MUST_CHECK;

/* tpm_unseal. HF_E_TPM_PCR: PCRs differ; HF_E_TPM_FOREIGN: another TPM, or this one was
 * cleared; HF_E_PIN_INCORRECT and HF_E_TPM_LOCKOUT: of the PIN; HF_E_TPM: it does not
 * answer, or not as it should; HF_E_DAMAGED: not what tpm_seal made. why says more. */
enum hf_err tpm_unseal(struct tpm *t, struct slice sealed, struct slice pin, struct secret *ret,
	char why[TPM_WHY]) HF_MUST_CHECK;

/* tpm_sealed_for tells what a sealed secret wants; false: it is none. */
bool tpm_sealed_for(struct slice sealed, uint32_t *ret_pcrs, bool *ret_pin);

/* struct tpm_counter: a counter of the TPM's (an NV index) that goes up only. Who removes it and makes
 * another of that number gets one that begins above all that the TPM ever had (Part 3, "NV_Increment"). */
#define TPM_KEY_NAME 34u
#define TPM_COUNTER_AUTH 32u
struct tpm_counter {
	uint32_t index;
	uint8_t key[TPM_KEY_NAME];      /* name of the key whose TPM this is */
	uint8_t auth[TPM_COUNTER_AUTH]; /* the counter's; its last byte is not zero */
};
/* tpm_counter_make makes the counter c->index, in the place of one that is there, fills the rest of c,
 * and counts once. The owner's authorization has to be empty. */
enum hf_err tpm_counter_make(struct tpm *t, struct tpm_counter *c, uint64_t *ret) HF_MUST_CHECK;
/* tpm_counter_read and tpm_counter_up (by one), authentic. HF_E_TPM_FOREIGN: another TPM, or cleared;
 * HF_E_TPM_COUNTER: it has no such counter; HF_E_TPM: it does not answer, or not as it should. */
enum hf_err tpm_counter_read(struct tpm *t, const struct tpm_counter *c, uint64_t *ret) HF_MUST_CHECK;
enum hf_err tpm_counter_up(struct tpm *t, const struct tpm_counter *c, uint64_t *ret) HF_MUST_CHECK;
/* tpm_counter_there: does anything have this index? tpm_counter_drop removes it. */
enum hf_err tpm_counter_there(struct tpm *t, uint32_t index, bool *ret) HF_MUST_CHECK;
enum hf_err tpm_counter_drop(struct tpm *t, uint32_t index) HF_MUST_CHECK;

/* "0,2,4,7" from a set and back; an empty set is "none". */
void tpm_pcrs_text(uint32_t pcrs, char out[TPM_PCRS_TEXT]);
bool tpm_pcrs_parse(const char *text, uint32_t *ret);

#endif
