/* xwing.h: X-Wing (draft-connolly-cfrg-xwing-kem-08), a key encapsulation that stands as long as
 * either ML-KEM-768 or X25519 does; and a seal for whoever has the private half.
 *
 * A private key is a seed of 32 bytes. */
#ifndef HF_XWING_H
#define HF_XWING_H

#include "bytes.h"
#include "err.h"
#include "secret.h"

#define XWING_SEED 32u
#define XWING_PUBLIC (1184u + 32u)
#define XWING_CIPHERTEXT (1088u + 32u)

enum hf_err xwing_public(struct slice seed, uint8_t ret[XWING_PUBLIC]) HF_MUST_CHECK;

/* xwing_encapsulate draws a shared secret of 32 bytes; HF_E_PUBLIC_KEY: pub is none. */
enum hf_err xwing_encapsulate(struct slice pub, uint8_t ret_ct[XWING_CIPHERTEXT],
	struct secret *ret) HF_MUST_CHECK;
/* xwing_decapsulate: a ciphertext for another key gives another secret. HF_E_WRAPPED_KEY_LEN. */
enum hf_err xwing_decapsulate(struct slice seed, struct slice ct, struct secret *ret) HF_MUST_CHECK;

#endif
