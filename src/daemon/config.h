/* config.h: the settings of spec/config.def. */
#ifndef HF_CONFIG_H
#define HF_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct config {
#define SETTING(key, field, kind, initial, least, most, help) uint64_t field;
#include "config.def"
#undef SETTING
};

enum { UNLOCK_BY_FILE, UNLOCK_BY_PASSPHRASE };

void config_default(struct config *c);

/* config_read parses "key = value" lines. name stands in messages. False after it
 * has said on standard error what is wrong, with line, key, value and what is
 * allowed. */
bool config_read(struct config *c, FILE *f, const char *name);

/* config_set sets one key; false: *ret_why says why not (static or in why[]). */
bool config_set(struct config *c, const char *key, const char *value, char why[160]);

/* config_write writes all settings in the form that config_read reads. */
bool config_write(const struct config *c, FILE *f, bool with_help);

#endif
