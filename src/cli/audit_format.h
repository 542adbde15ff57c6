/* audit_format.h: one audit record as a line for other programs. */
#ifndef HF_AUDIT_FORMAT_H
#define HF_AUDIT_FORMAT_H

#include <stdbool.h>
#include <stdio.h>

#include "audit_codec.h"

enum audit_format { AUDIT_JSON, AUDIT_RFC5424, AUDIT_CEF, AUDIT_LEEF };

bool audit_format_of(const char *name, enum audit_format *ret);
/* audit_format_print writes the record without an end of line. AUDIT_RFC5424 is a
 * whole syslog message with structured data. */
void audit_format_print(enum audit_format f, const struct audit_record *r, FILE *out);
/* audit_format_syslog writes a syslog message (RFC 5424) whose text has the format. */
void audit_format_syslog(enum audit_format f, const struct audit_record *r, FILE *out);
/* audit_format_journal writes the fields as journald takes them. */
void audit_format_journal(const struct audit_record *r, FILE *out);

#endif
