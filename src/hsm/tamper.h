/* tamper.h: what happens when somebody may have laid hands on the HSM, and how
 * it is made useless for good.
 *
 *   uninitialized ─first unlock─► operational ◄─unlock─ locked
 *                                   │    ▲
 *                            tamper │    │ clear
 *                                   ▼    │
 *                                 tampered
 *   any ─failed self-test─► error        any ─zeroize─► zeroized
 *
 * The column STATES of spec/calls says which calls are legal in which. */
#ifndef HF_TAMPER_H
#define HF_TAMPER_H

#include "module.h"

/* hsm_tamper tells of a tamper event; the setting tamper-action decides what
 * follows. While the HSM is locked, "lock" holds from the next unlocking on. */
enum hf_err hsm_tamper(struct hsm *h, const char *why) HF_MUST_CHECK;
/* tamper_load finds an event that nobody cleared yet; *ret_why is "" without one. */
enum hf_err tamper_load(struct hsm *h, char ret_why[TAMPER_WHY]) HF_MUST_CHECK;

/* hsm_respond is that where nobody waits for an answer: a failure goes into the log. */
void hsm_respond(struct hsm *h, const char *why);

/* hsm_zeroize destroys the root key: in memory, with all that the vault holds open, then on disk.
 * Nothing brings the keys back. HF_E_ZEROIZE_PENDING: the disk did not take all of it; the HSM is
 * zeroized all the same, and hsm_zeroize_finish tries again. */
enum hf_err hsm_zeroize(struct hsm *h, const char *why) HF_MUST_CHECK;
enum hf_err hsm_zeroize_finish(struct hsm *h) HF_MUST_CHECK;
/* tamper_tick tries again what the disk did not take. */
void tamper_tick(struct hsm *h);

#endif
