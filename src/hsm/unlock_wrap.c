#include "unlock_wrap.h"

#include <string.h>

#include "log.h"
#include "roles.h"
#include "tpm.h"
#include "unlock.h"
#include "unlock_file.h"

/* --- what custodians leave in the record ------------------------------------------------- */

static bool more_set(struct unlock_method_record *m, const struct buf *b)
{
	if (b->err != HF_OK || b->n > sizeof(m->more))
		return false;
	memcpy(m->more, b->p, b->n);
	m->more_n = b->n;
	return true;
}

bool unlock_quorum_dec(const struct unlock_method_record *m, struct quorum *ret)
{
	struct rd r = rd_of((struct slice){ m->more, m->more_n });

	return quorum_dec(&r, ret) && rd_done(&r);
}

/* --- the key that a method's secret makes ---------------------------------------------- */

static enum hf_err key_by_file(struct hsm *h, struct secret *ret)
{
	CLEANUP(secret_done) struct secret file = { 0 };

	TRY(unlock_file_read(h->unlock.key_fd, &file));
	return crypto_derive(secret_slice(&file), "holdfast unlock file", SLICE_NONE, ret);
}

static enum hf_err key_by_passphrase(const struct unlock_method_record *m, struct slice passphrase,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret stretched = { 0 };

	TRY(crypto_stretch(passphrase, SLICE_OF(m->salt), m->kib, m->passes, &stretched));
	return crypto_derive(secret_slice(&stretched), "holdfast unlock passphrase", SLICE_NONE, ret);
}

static enum hf_err key_by_tpm(struct hsm *h, const struct unlock_method_record *m, struct slice pin,
	struct secret *ret)
{
	CLEANUP(secret_done) struct secret sealed = { 0 };
	char why[TPM_WHY] = "";
	enum hf_err e;

	if (h->unlock.tpm == NULL) {
		unlock_note(h, m, "no TPM is open");
		return HF_E_NO_TPM;
	}
	e = tpm_unseal(h->unlock.tpm, (struct slice){ m->more, m->more_n }, pin, &sealed, why);
	if (e != HF_OK) {
		log_error("the TPM does not unlock: %s%s%s", err_text(e), *why != '\0' ? "; " : "", why);
		unlock_note(h, m, *why != '\0' ? why : err_text(e));
		return e;
	}
	return crypto_derive(secret_slice(&sealed), "holdfast unlock tpm", SLICE_OF(m->salt), ret);
}

static enum hf_err key_for(struct hsm *h, const struct unlock_method_record *m, struct slice secret,
	struct secret *ret)
{
	switch ((enum unlock_by)m->by) {
	case BY_FILE:
		return key_by_file(h, ret);
	case BY_PASSPHRASE:
		return key_by_passphrase(m, secret, ret);
	case BY_QUORUM: /* what the shares gave */
		return crypto_derive(secret, "holdfast unlock quorum", SLICE_OF(m->salt), ret);
	case BY_TPM:
		return key_by_tpm(h, m, secret, ret);
	case BY_NONE:
		break;
	}
	return HF_E_STATE;
}

/* --- wrapping --------------------------------------------------------------------------- */

static enum hf_err tpm_fill(struct hsm *h, struct unlock_method_record *m,
	const struct unlock_with *w, struct secret *ret)
{
	CLEANUP(secret_done) struct secret secret = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(TPM_SEALED_MAX);

	if (h->unlock.tpm == NULL)
		return HF_E_NO_TPM;
	TRY(secret_alloc(&secret, CRYPTO_KEY));
	TRY(crypto_random(secret.p, secret.n));
	TRY(tpm_seal(h->unlock.tpm, w->pcrs, w->secret, secret_slice(&secret), &b));
	if (!more_set(m, &b))
		return HF_E_INTERNAL;
	return crypto_derive(secret_slice(&secret), "holdfast unlock tpm", SLICE_OF(m->salt), ret);
}

/* fill: what the record says of the method, and the key that its secret makes. */
static enum hf_err fill(struct hsm *h, struct unlock_method_record *m, const struct unlock_with *w,
	struct secret *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(UNLOCK_MORE);

	TRY(crypto_random(m->salt, sizeof(m->salt)));
	pin_kdf(h, NULL, &m->kib, &m->passes);
	if (w->by == BY_TPM)
		return tpm_fill(h, m, w, ret);
	if (w->by == BY_QUORUM) {
		quorum_enc(w->quorum, &b);
		if (!more_set(m, &b))
			return HF_E_INTERNAL;
	}
	return key_for(h, m, w->secret, ret);
}

static enum hf_err new_pair(struct unlock_method_record *m, struct slice key)
{
	CLEANUP(secret_done) struct secret private_ = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(sizeof(m->private_key));

	TRY(crypto_kem_new(m->public_key, &private_));
	TRY(crypto_seal(key, SLICE_STR(ROOT_NAME), secret_slice(&private_), &b));
	if (b.n != sizeof(m->private_key))
		return HF_E_INTERNAL;
	memcpy(m->private_key, b.p, b.n);
	m->direct = false;
	return HF_OK;
}

enum hf_err unlock_rewrap(struct unlock_method_record *m, struct slice root)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(sizeof(m->wrapped));

	TRY(crypto_kem_wrap(SLICE_OF(m->public_key), SLICE_STR(ROOT_NAME), root, &b));
	if (b.n != sizeof(m->wrapped))
		return HF_E_INTERNAL;
	memcpy(m->wrapped, b.p, b.n);
	return HF_OK;
}

enum hf_err unlock_wrap(struct hsm *h, struct unlock_method_record *m, const struct unlock_with *w)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(fill(h, m, w, &key));
	TRY(new_pair(m, secret_slice(&key)));
	return unlock_rewrap(m, secret_slice(&h->root));
}

static enum hf_err unwrap_direct(struct unlock_method_record *m, struct slice key,
	struct secret *ret)
{
	TRY(crypto_open(key, SLICE_STR(ROOT_NAME), (struct slice){ m->wrapped, ROOT_SEALED }, ret));
	TRY(new_pair(m, key));
	return unlock_rewrap(m, secret_slice(ret));
}

enum hf_err unlock_unwrap(struct hsm *h, struct unlock_method_record *m, struct slice secret,
	struct secret *ret, bool *ret_renewed)
{
	CLEANUP(secret_done) struct secret key = { 0 }, private_ = { 0 };

	*ret_renewed = m->direct;
	TRY(key_for(h, m, secret, &key));
	if (m->direct)
		return unwrap_direct(m, secret_slice(&key), ret);
	TRY(crypto_open(secret_slice(&key), SLICE_STR(ROOT_NAME), SLICE_OF(m->private_key), &private_));
	return crypto_kem_unwrap(secret_slice(&private_), SLICE_STR(ROOT_NAME), SLICE_OF(m->wrapped),
		ret);
}
