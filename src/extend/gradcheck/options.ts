import { ArgumentError } from '../../core/errors.ts';
import { checkOptions } from '../../tensor/options.ts';

export interface GradcheckOptions {
  /** Step of the central differences; 1e-6. */
  readonly eps?: number;
  /** Allowed difference: atol + rtol · |numerical|; 1e-5 and 1e-3. */
  readonly atol?: number;
  readonly rtol?: number;
  /** Whether a failed check throws `GradcheckError` (the default) or makes the result false. */
  readonly raiseException?: boolean;
  /** How much two runs of backward on the same input may differ; 0. */
  readonly nondetTol?: number;
  /** Whether backward must cope with gradients that do not arrive; true. */
  readonly checkUndefinedGrad?: boolean;
  /** Whether gradients must have the dtype of their input; false. */
  readonly checkGradDtypes?: boolean;
  /** Also compares gradients under vmap with a loop. */
  readonly checkBatchedGrad?: boolean;
  /** Also compares tangents under vmap with a loop. */
  readonly checkBatchedForwardGrad?: boolean;
  /** Also checks forward mode. */
  readonly checkForwardAd?: boolean;
  /** Checks reverse mode; true. */
  readonly checkBackwardAd?: boolean;
  /** Compares random projections of the Jacobians instead of every entry. */
  readonly fastMode?: boolean;
}

export type Settings = Required<GradcheckOptions>;

export const defaults: Settings = {
  eps: 1e-6,
  atol: 1e-5,
  rtol: 1e-3,
  raiseException: true,
  nondetTol: 0,
  checkUndefinedGrad: true,
  checkGradDtypes: false,
  checkBatchedGrad: false,
  checkBatchedForwardGrad: false,
  checkForwardAd: false,
  checkBackwardAd: true,
  fastMode: false,
};

/** The options with their defaults. */
export function settle(name: string, options: GradcheckOptions | undefined): Settings {
  checkOptions(name, options, Object.keys(defaults));
  const settings = { ...defaults, ...options };
  for (const [key, value] of Object.entries(settings)) {
    const kind = typeof defaults[key as keyof Settings];
    if (typeof value !== kind || (kind === 'number' && !((value as number) >= 0)))
      throw new ArgumentError(`${name}: ${key} must be a ${kind}, got ${String(value)}`);
  }
  if (settings.eps === 0) throw new ArgumentError(`${name}: eps must be positive`);
  const assert = (holds: boolean, text: string): void => {
    if (!holds) throw new ArgumentError(`${name}: ${text}`);
  };
  assert(
    settings.checkForwardAd || settings.checkBackwardAd,
    'Expected at least one of check_forward_ad or check_backward_ad to be True (checkForwardAd, checkBackwardAd)',
  );
  assert(
    !(settings.checkBatchedGrad && !settings.checkBackwardAd),
    'Setting check_batched_grad=True requires check_backward_ad to be True (checkBatchedGrad, checkBackwardAd)',
  );
  assert(
    !(settings.checkBatchedForwardGrad && !settings.checkForwardAd),
    'Setting check_batched_forward_grad=True requires check_forward_ad to be True (checkBatchedForwardGrad, checkForwardAd)',
  );
  return settings;
}
