/** The errors of Tare: one root class, stable codes, categories that decide exit codes. */
export {
  IncompleteFileError,
  type IncompleteFileFacts,
  VolumeDamagedError,
  VolumeMissingError,
} from './carried-file-error.ts'
export { ERROR_CATALOGUE, type ErrorCategory, type ErrorCode } from './catalogue.ts'
export { DigestMismatchError, type DocumentProblem, InvalidDocumentError, SizeMismatchError } from './content-error.ts'
export { CopyError, type Side } from './copy-error.ts'
export { classOfStatus, type ErrorClass, errorClass, statusOfClass } from './error-class.ts'
export { fileError } from './file-error.ts'
export { hasErrorCode, isTareError, TareError, type TareErrorOptions } from './tare-error.ts'
