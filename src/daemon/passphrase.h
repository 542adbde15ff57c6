/* passphrase.h: unlocks the HSM at its start from passphrase-file. */
#ifndef HF_PASSPHRASE_H
#define HF_PASSPHRASE_H

#include "hsm.h"

/* passphrase_read yields the first line of fd, without its end; empty where fd is no
 * open descriptor. Closes fd. Logs what is wrong. */
enum hf_err passphrase_read(int fd, struct secret *ret) HF_MUST_CHECK;

/* passphrase_unlock makes the call "unlock", as an administrator would. HF_E_STATE:
 * the HSM is not locked. */
enum hf_err passphrase_unlock(struct hsm *h, struct slice passphrase) HF_MUST_CHECK;

#endif
