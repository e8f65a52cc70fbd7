#ifndef CSQLITE_H
#define CSQLITE_H

#include <sqlite3.h>

/// Says whether the last connection that is closed leaves the write-ahead log as it is, in place of copying it into the
/// database's file. Swift cannot call SQLite's own function, which takes any number of arguments.
int sqlite_keep_log(sqlite3 *connection, int keeps);

#endif
