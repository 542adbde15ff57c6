/* token.h: a custodian's share on another PKCS#11 token: a private data object of the
 * application "holdfast share", whose value is what a share's file would hold. */
#ifndef HF_TOKEN_H
#define HF_TOKEN_H

#include "bytes.h"
#include "err.h"

#define TOKEN_LABEL 160u /* bytes of an object's label, with the NUL */
#define TOKEN_SHARES 32u /* that are looked at on one token */
#define TOKEN_VALUE 2048u

struct token;

/* token_open loads a module and logs in to the token of that label. HF_E_TOKEN_MODULE: it
 * cannot be loaded; HF_E_SLOT: no such token; HF_E_PIN_INCORRECT, _PIN_LOCKED. A module that
 * others in this process use already goes on being used. */
enum hf_err token_open(const char *module, const char *label, struct slice pin,
	struct token **ret) HF_MUST_CHECK;
void token_close(struct token *t); /* NULL-safe; logs out */

/* token_put adds an object; one of that label is left alone: HF_E_TOKEN_THERE.
 * token_get appends the value of the i-th; HF_E_CARD_EMPTY: there are no more.
 * HF_E_TOKEN: the token does not do it (token_says: its CK_RV). */
enum hf_err token_put(struct token *t, const char *label, struct slice text) HF_MUST_CHECK;
enum hf_err token_get(struct token *t, size_t i, struct buf *out) HF_MUST_CHECK;
unsigned long token_says(const struct token *t);

#endif
