/**
 * Every error Nabla throws is one of these, so that a caller can tell kinds apart without reading
 * messages. Messages name the operation, the shapes or values concerned, and what would mend it.
 */
export class NablaError extends Error {
  override name = 'NablaError';
}

/** Shapes that do not fit together, or a shape that cannot be. */
export class ShapeError extends NablaError {
  override name = 'ShapeError';
}

/** An operation asked of an element type that does not have it. */
export class DTypeError extends NablaError {
  override name = 'DTypeError';
}

/** A dimension or element index out of range. */
export class IndexError extends NablaError {
  override name = 'IndexError';
}

/** An argument or option that is not what the function takes. */
export class ArgumentError extends NablaError {
  override name = 'ArgumentError';
}

/** A matrix for which the result does not exist: singular, or not positive definite. */
export class LinAlgError extends NablaError {
  override name = 'LinAlgError';
}

/** Misuse of the autograd graph: leaves, versions, freed buffers, missing derivatives. */
export class AutogradError extends NablaError {
  override name = 'AutogradError';
}

/** A checkpointed function that did not do the same when it was run again. */
export class CheckpointError extends AutogradError {
  override name = 'CheckpointError';
}

/** A derivative that does not agree with differences. */
export class GradcheckError extends AutogradError {
  override name = 'GradcheckError';
}

/** The derivative of this operation does not exist in the library. */
export class NotImplementedError extends NablaError {
  override name = 'NotImplementedError';
}

/** What `assertClose` was given is not close. */
export class AssertionError extends NablaError {
  override name = 'AssertionError';
}

/** Trouble with the device or its memory. */
export class DeviceError extends NablaError {
  override name = 'DeviceError';
}
