#include "share.h"

#include <stdio.h>
#include <string.h>

#include "crypto.h"

#define SALT 16u
#define KIB 19456u /* of Argon2id */
#define PASSES 4u
#define SEALED_MAX 512u
#define CHECK 8u
#define KIND "holdfast share"
#define VERSION 2
#define VERSION_PBKDF2 3      /* has "pbkdf2" besides */
#define PBKDF2_MOST 10000000u /* of a file that anybody may have made */

static enum hf_err passphrase_key(struct slice passphrase, struct slice salt, uint32_t pbkdf2,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret stretched = { 0 };

	TRY(crypto_stretch(passphrase, salt, pbkdf2 == 0 ? KIB : 0, pbkdf2 == 0 ? PASSES : pbkdf2,
		&stretched));
	return crypto_derive(secret_slice(&stretched), KIND, SLICE_NONE, ret);
}

/* aad_of: everything that stands there in the clear, as one text; the caller frees it. */
static char *aad_of(const json_t *o)
{
	json_t *label = json_copy((json_t *)(uintptr_t)o);
	char *text;

	(void)json_object_del(label, "sealed");
	(void)json_object_del(label, "check");
	text = json_dumps(label, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(label);
	return text;
}

/* check_of: a file that was damaged is told from a wrong passphrase by it; it keeps nobody from altering
 * one, which the seal does. */
static enum hf_err check_of(const json_t *o, uint8_t ret[CHECK])
{
	json_t *rest = json_copy((json_t *)(uintptr_t)o);
	uint8_t hash[CRYPTO_HASH];
	enum hf_err e = HF_E_MEMORY;
	char *text;

	(void)json_object_del(rest, "check");
	text = json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(rest);
	if (text != NULL)
		e = crypto_sha256(slice_str(text), hash);
	hf_free(text);
	if (e == HF_OK)
		memcpy(ret, hash, CHECK);
	return e;
}

/* The set is the share's first 16 bytes, which say nothing about the secret. */
static json_t *label_json(const struct share_label *l, struct slice share, struct slice salt)
{
	json_t *o = json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:i, s:o, s:o}", KIND,
		l->pbkdf2 == 0 ? VERSION : VERSION_PBKDF2, "hsm", l->hsm, "whose", l->whose, "custodian",
		l->custodian, "number", (int)l->number, "needed", (int)l->needed, "of", (int)l->of, "set",
		json_hex((struct slice){ share.p, 16 }), "salt", json_hex(salt));

	if (l->pbkdf2 != 0)
		json_object_set_new(o, "pbkdf2", json_integer(l->pbkdf2));
	return o;
}

static enum hf_err add_sealed(json_t *o, struct slice key, struct slice share)
{
	CLEANUP(buf_done) struct buf sealed = BUF_MAX(SEALED_MAX);
	char *aad = aad_of(o);
	uint8_t check[CHECK];
	enum hf_err e;

	if (aad == NULL)
		return HF_E_MEMORY;
	e = crypto_seal(key, slice_str(aad), share, &sealed);
	hf_free(aad);
	TRY(e);
	if (json_object_set_new(o, "sealed", json_hex(buf_slice(&sealed))) != 0)
		return HF_E_MEMORY;
	TRY(check_of(o, check));
	return json_object_set_new(o, "check", json_hex(SLICE_OF(check))) == 0 ? HF_OK : HF_E_MEMORY;
}

enum hf_err share_seal(const struct share_label *l, struct slice passphrase, struct slice share,
	json_t **ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	uint8_t salt[SALT];
	enum hf_err e;
	json_t *o;

	if (passphrase.n == 0)
		return HF_E_PIN_LENGTH;
	TRY(crypto_random(salt, sizeof(salt)));
	TRY(passphrase_key(passphrase, SLICE_OF(salt), l->pbkdf2, &key));
	o = label_json(l, share, SLICE_OF(salt));
	if (o == NULL)
		return HF_E_MEMORY;
	e = add_sealed(o, secret_slice(&key), share);
	if (e != HF_OK)
		json_decref(o);
	else
		*ret = o;
	return e;
}

static bool hex_of(const json_t *o, const char *name, uint8_t *out, size_t max, size_t *ret_n)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL && hex_decode(s, out, max, ret_n);
}

/* stretch_of: *ret as share_label's pbkdf2. */
static bool stretch_of(const json_t *o, uint32_t *ret)
{
	json_int_t version = json_integer_value(json_object_get(o, KIND));
	json_int_t passes = json_integer_value(json_object_get(o, "pbkdf2"));

	*ret = (uint32_t)passes;
	return version == VERSION ? passes == 0 :
		version == VERSION_PBKDF2 && passes > 0 && passes <= PBKDF2_MOST;
}

/* is_whole: shares of before there was a check have none. */
static enum hf_err is_whole(const json_t *o)
{
	uint8_t check[CHECK], want[CHECK];
	size_t n;

	if (json_object_get(o, "check") == NULL)
		return HF_OK;
	if (!hex_of(o, "check", check, sizeof(check), &n) || n != CHECK)
		return HF_E_SHARE_WRONG;
	TRY(check_of(o, want));
	return memcmp(check, want, CHECK) == 0 ? HF_OK : HF_E_SHARE_WRONG;
}

enum hf_err share_open(json_t *o, struct slice passphrase, struct secret *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	uint8_t salt[SALT], sealed[SEALED_MAX];
	size_t n, sealed_n;
	uint32_t pbkdf2;
	enum hf_err e;
	char *aad;

	if (json_object_get(o, KIND) == NULL)
		return HF_E_MALFORMED;
	TRY(is_whole(o));
	if (!stretch_of(o, &pbkdf2))
		return HF_E_MALFORMED;
	if (!hex_of(o, "salt", salt, sizeof(salt), &n) || n != SALT ||
	    !hex_of(o, "sealed", sealed, sizeof(sealed), &sealed_n))
		return HF_E_SHARE_WRONG;
	TRY(passphrase_key(passphrase, SLICE_OF(salt), pbkdf2, &key));
	aad = aad_of(o);
	if (aad == NULL)
		return HF_E_MEMORY;
	e = crypto_open(secret_slice(&key), slice_str(aad), (struct slice){ sealed, sealed_n }, ret);
	hf_free(aad);
	return e == HF_E_DAMAGED ? HF_E_PIN_INCORRECT : e;
}

static const char *word(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "?";
}

void share_text(const json_t *o, char *out, size_t n)
{
	(void)snprintf(out, n, "share %lld of %lld, of %s, for the custodians of HSM %s: %s",
		(long long)json_integer_value(json_object_get(o, "number")),
		(long long)json_integer_value(json_object_get(o, "of")), word(o, "custodian"), word(o, "hsm"),
		word(o, "whose"));
}

const char *share_set(const json_t *o)
{
	return json_string_value(json_object_get(o, "set"));
}
