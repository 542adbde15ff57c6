/* err.h: the one result type. */
#ifndef HF_ERR_H
#define HF_ERR_H

/* enum hf_err: HF_OK, or what went wrong. The list is spec/errors.def; a
 * number is its place there and travels on the wire. */
enum hf_err {
	HF_OK = 0,
#define ERR(name, ckr, blame, text) HF_E_##name,
#include "errors.def"
#undef ERR
	HF_ERR_COUNT
};

enum hf_blame { HF_BLAME_NONE, HF_BLAME_CALLER, HF_BLAME_POLICY, HF_BLAME_HSM };

#define HF_MUST_CHECK __attribute__((warn_unused_result))

/* TRY returns the error of e from the calling function, if there is one. */
#define TRY(e)                                                                 \
	do {                                                                   \
		enum hf_err try_err_ = (e);                                    \
		if (try_err_ != HF_OK)                                         \
			return try_err_;                                       \
	} while (0)

/* CLEANUP(fn) runs fn(&variable) when the variable's scope ends. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* err_name returns the error's name as in the list ("PIN_INCORRECT"). */
const char *err_name(enum hf_err e);

/* err_text returns one sentence for a person: what is wrong, what to do. */
const char *err_text(enum hf_err e);

/* err_ckr returns the number of the CKR_ value that stands for e (PKCS#11 3.2
 * §5.1); a plain number, since CK_RV exists only in src/pkcs11. */
unsigned long err_ckr(enum hf_err e);

/* err_blame says whose fault e is, which decides whether it is logged. */
enum hf_blame err_blame(enum hf_err e);

/* err_from_wire turns a number from a peer into an error; an unknown number
 * becomes HF_E_INTERNAL. */
enum hf_err err_from_wire(unsigned n);

#endif
