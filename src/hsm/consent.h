/* consent.h: which calls custodians have to agree to (spec/consent.def), and the PIN of
 * a role whose custodians make it. */
#ifndef HF_CONSENT_H
#define HF_CONSENT_H

#include "asks.h"
#include "roles.h"

struct consent_row {
	uint8_t bit;
	const char *name;
	bool always;
	const char *help;
};
enum consent {
#define CONSENT(bit, call, name, when, help) CONSENT_##call,
#include "consent.def"
#undef CONSENT
	CONSENTS
};
extern const struct consent_row consent_rows[CONSENTS];

/* consent_needed is the gate's: HF_E_QUORUM unless this call needs nobody's consent, or
 * has it. consent_over: the call is over; one that failed may be sent again. */
enum hf_err consent_needed(struct calls_ctx *c) HF_MUST_CHECK;
/* consent_ask is the same inside a handler, where not every call of its kind needs it. */
enum hf_err consent_ask(struct calls_ctx *c) HF_MUST_CHECK;
/* consent_for is it for a call that does what another needs consent for. */
enum hf_err consent_for(struct calls_ctx *c, enum consent which) HF_MUST_CHECK;
void consent_over(struct calls_ctx *c, enum hf_err e);

/* role_pin is the PIN for r: the given one, which may be its challenge; or where r has
 * custodians what they made for this very call, in *hold. HF_E_QUORUM: they have to.
 * HF_E_PIN_INCORRECT: a PIN was given, and there is none. */
enum hf_err role_pin(struct calls_ctx *c, const struct partition *p, const struct role_record *r,
	struct slice given, struct secret *hold, struct slice *ret) HF_MUST_CHECK;
/* scope_of: by what name a role's custodians are known. */
void scope_of(const struct partition *p, const char *role, char ret[ASK_SCOPE + 1]);

/* The record "hsm/consent": what is asked for besides. It lies in the clear, for a locked
 * HSM, under a MAC that consent_open checks once the root key is there: one that is not
 * as it was left counts as everything. */
enum hf_err consent_load(struct hsm *h) HF_MUST_CHECK;
enum hf_err consent_open(struct hsm *h) HF_MUST_CHECK;

#endif
