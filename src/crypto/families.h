/* families.h: every family, one a file. */
#ifndef HF_FAMILIES_H
#define HF_FAMILIES_H

#include "mech.h"

extern const struct family family_digest, family_hmac, family_rsa_gen, family_rsa_pkcs1,
	family_rsa_pss, family_rsa_oaep, family_rsa_x509, family_ec_gen, family_ecdsa,
	family_ecdh, family_eddsa, family_secret_gen, family_block_cipher, family_aes_gcm,
	family_aes_ccm, family_cmac, family_aes_wrap, family_rsa_aes_wrap, family_derive,
	family_hkdf, family_ml_gen, family_ml_dsa, family_hash_ml_dsa, family_ml_kem,
	family_password, family_sp800_108, family_ike, family_tls, family_tls_mac,
	family_ff_gen, family_ecdh_aes_wrap, family_ff_domain, family_dh,
	family_blake2_mac, family_block_mac, family_aes_gmac, family_chacha20,
	family_chacha20_poly1305, family_poly1305, family_whole_cipher,
	family_rsa_x931, family_rsa_tpm, family_aes_cfb64, family_ml_dsa_mu,
	family_salsa20, family_public_half, family_hotp,
	family_hss_gen, family_hss, family_xmss_gen, family_xmss;

#endif
