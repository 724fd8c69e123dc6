/* The C interface of libsdxl_parquet.so, which sdxl opens on the first Parquet file. The library
 * may be built with another compiler and standard library; no exception crosses the interface. */
#ifndef SDXL_PARQUET_H_
#define SDXL_PARQUET_H_

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SDXL_PARQUET_ABI 1

typedef struct sdxl_parquet_file sdxl_parquet_file;

/* The kind of a column, or of a piece of a value. */
enum sdxl_parquet_kind {
  SDXL_PARQUET_OTHER = 0,
  SDXL_PARQUET_TEXT = 1,    /* string */
  SDXL_PARQUET_BYTES = 2,   /* binary */
  SDXL_PARQUET_PICTURE = 3, /* struct with bytes, path or both */
  SDXL_PARQUET_TEXTS = 4,   /* list of string */
  SDXL_PARQUET_PATH = 5,    /* only for a piece: the path of a picture */
  SDXL_PARQUET_PICTURES = 6 /* list of pictures: reported for messages, never read */
};

/* Receives `size` bytes, valid during the call. */
typedef void (*sdxl_parquet_sink)(void* context, int kind, const void* data, uint64_t size);

typedef struct sdxl_parquet_library {
  /* Functions that can fail return 0 on success, or else pass the sink a message (kind OTHER) and
   * return 1. All functions are thread-safe. */
  int (*open)(const char* path, sdxl_parquet_file** file, sdxl_parquet_sink sink, void* context);
  void (*close)(sdxl_parquet_file* file);
  int64_t (*rows)(const sdxl_parquet_file* file);
  /* Passes the sink the kind and name of each top-level column. */
  void (*columns)(const sdxl_parquet_file* file, sdxl_parquet_sink sink, void* context);
  /* Passes the sink the pieces of a value: one TEXT or BYTES, any number of TEXT for a list, BYTES
   * and PATH for a picture, none for a null. */
  int (*read)(sdxl_parquet_file* file, const char* column, int64_t row, sdxl_parquet_sink sink,
              void* context);
} sdxl_parquet_library;

/* Returns null unless `abi` is the library's SDXL_PARQUET_ABI. Exported as "sdxl_parquet". */
typedef const sdxl_parquet_library* (*sdxl_parquet_entry)(int abi);

#ifdef __cplusplus
}
#endif

#endif /* SDXL_PARQUET_H_ */
