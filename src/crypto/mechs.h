/* mechs.h: the table of all mechanisms. */
#ifndef HF_MECHS_H
#define HF_MECHS_H

#include "err.h"

/* mechs_init sorts the rows by number; HF_E_INTERNAL if one stands twice. */
enum hf_err mechs_init(void) HF_MUST_CHECK;

#endif
