/* config.h: the settings of spec/config.def. */
#ifndef HF_CONFIG_H
#define HF_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_PATH 1024 /* bytes of a path, NUL included */

#define CONFIG_FIELD_NUMBER(field) uint64_t field;
#define CONFIG_FIELD_SECONDS(field) uint64_t field;
#define CONFIG_FIELD_FLAG(field) uint64_t field;
#define CONFIG_FIELD_UNLOCK(field) uint64_t field;
#define CONFIG_FIELD_TAMPER(field) uint64_t field;
#define CONFIG_FIELD_LEVEL(field) uint64_t field;
#define CONFIG_FIELD_USE(field) uint64_t field;
#define CONFIG_FIELD_CLOSED(field) uint64_t field;
#define CONFIG_FIELD_SIGNATURE(field) uint64_t field;
#define CONFIG_FIELD_KDF(field) uint64_t field;
#define CONFIG_FIELD_PCRS(field) uint64_t field;
#define CONFIG_FIELD_PATH(field) char field[CONFIG_PATH];
#define CONFIG_FIELD_SOURCES(field) char field[CONFIG_PATH];

struct config {
#define SETTING(key, field, kind, initial, least, most, help) CONFIG_FIELD_##kind(field)
#include "config.def"
#undef SETTING
};

enum { PIN_BY_ARGON2ID, PIN_BY_PBKDF2 };
enum { UNLOCK_BY_FILE, UNLOCK_BY_PASSPHRASE, UNLOCK_BY_TPM };

void config_default(struct config *c);

/* config_read parses "key = value" lines. name stands in messages. False after it
 * has said on standard error what is wrong, with line, key, value and what is
 * allowed. */
bool config_read(struct config *c, FILE *f, const char *name);

/* config_set sets one key; false: why[] says what is wrong ("must be a number from
 * 1 to 100", "there is no such setting"). */
#define CONFIG_WHY 160
bool config_set(struct config *c, const char *key, const char *value, char why[CONFIG_WHY]);

/* config_write writes all settings in the form that config_read reads. */
bool config_write(const struct config *c, FILE *f, bool with_help);

#endif
