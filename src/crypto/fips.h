/* fips.h: OpenSSL's FIPS provider, beside the default one. Private to src/crypto. */
#ifndef HF_FIPS_H
#define HF_FIPS_H

#include "alg.h"
#include "crypto.h"
#include "curve.h"

/* fips_load puts the provider that crypto_fips named in force, so that algorithms which it
 * has come from it from then on; or does nothing, where none was named. HF_E_INTERNAL:
 * crypto_why says why not. After the other providers, before any algorithm. */
enum hf_err fips_load(void) HF_MUST_CHECK;

/* fips_selftest runs the provider's own self-tests, its integrity among them: the first time it tells of
 * those that ran when it was loaded. True where it is not in force. After a failure it does no work. */
bool fips_selftest(void);

const OSSL_PROVIDER *fips_provider(void); /* NULL: not in force */

/* What is asked of OpenSSL (a property query) for work with a key: NULL, the usual, unless the
 * provider is in force and refuses such keys; then the default one's. fips_props_of: for a key
 * that is there. fips_props_for: to make one of that type and so many bits (0: any), on
 * that curve (or NULL); fips_props_parts: of these parts. fips_props_hash: for a signature
 * with that digest. */
const char *fips_props_of(const EVP_PKEY *k);
const char *fips_props_for(const char *type, size_t bits, const struct curve *c);
const char *fips_props_parts(const char *type, const OSSL_PARAM *parts);
const char *fips_props_hash(const EVP_PKEY *k, const struct hash *h);

#endif
