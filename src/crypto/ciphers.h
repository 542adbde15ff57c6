/* ciphers.h: OpenSSL's ciphers, by key type, key size and mode, fetched once.
 * Private to src/crypto. */
#ifndef HF_CIPHERS_H
#define HF_CIPHERS_H

#include "alg.h"

enum block_mode {
	BLOCK_ECB, BLOCK_CBC, BLOCK_CTR, BLOCK_GCM, BLOCK_CCM, BLOCK_WRAP, BLOCK_WRAP_PAD, BLOCK_OFB,
	BLOCK_CFB, BLOCK_CFB8, BLOCK_CFB1, BLOCK_XTS, BLOCK_CTS, BLOCK_STREAM, BLOCK_STREAM_POLY1305,
	BLOCK_MODES
};

#define BLOCK_MAX 16      /* bytes of the longest block */
#define BLOCK_KEY_MAX 24  /* bytes of the longest key that block_key makes */

enum hf_err ciphers_init(void) HF_MUST_CHECK;
/* ciphers_have tells whether OpenSSL has what keys of this type need: no for
 * SEED where it comes without its legacy provider. */
bool ciphers_have(uint32_t ckk);

/* cipher_find: NULL unless a key of that type can have key bytes and that mode. */
const EVP_CIPHER *cipher_find(uint32_t ckk, size_t key, enum block_mode mode);
/* cipher_block: bytes of a block. */
size_t cipher_block(uint32_t ckk);

/* block_key: the key as the cipher wants it. DES and DES2 are triple DES with keys
 * that recur, in room, which the caller wipes; any other is value itself. */
struct slice block_key(uint32_t ckk, struct slice value, uint8_t room[BLOCK_KEY_MAX]);

#endif
