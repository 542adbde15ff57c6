/* guarded.h: three people at an HSM with a key that is guarded. anna is the crypto officer, bob and
 * carol are named users. */
#ifndef HF_TEST_GUARDED_H
#define HF_TEST_GUARDED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "box.h"
#include "guard.h"

#define PIN "pin-of-named"
#define KEY_PIN "pin-of-the-key"

extern struct box box;
extern struct who anna, bob, carol;
extern uint64_t key;
extern bool any_data; /* guard's approvals serve for any; setup: true */

void come(void);
void leave(void);
void enter(struct who *w, const char *name, const char *pin);
void all_enter(void);
void makes_user(const char *name, enum role role);
enum hf_err makes_key(bool sensitive, uint64_t *ret);
int setup(void **state);
int teardown(void **state);
void restart(void);
enum hf_err guard(uint64_t limit, const char *pin, uint8_t needed, const char *approvers);
enum hf_err signs(struct who *w);
enum hf_err open_key(struct who *w, const char *pin);
enum hf_err key_pin(struct who *w, const char *pin);
enum hf_err request(struct who *w, uint64_t *ret);
enum hf_err approve(struct who *w, uint64_t number);
enum hf_err begins(struct who *w);
enum hf_err ends(struct who *w);
enum hf_err wraps(uint64_t what);

#endif
