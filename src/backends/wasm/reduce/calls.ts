import { scratch } from '../heap.ts';
import type { WasmFunction } from '../module.ts';
import { type Call, leaveTasks } from '../threads/queue.ts';

/** Calls of kernels that take nothing but a block of parameters: made at once, with one block for all, or noted. */
export class Calls {
  private readonly bytes: number;
  private notes: boolean;
  /** The block for all calls that are made at once, 0 before there is one; blocks of those that are noted. */
  private only = 0;
  private readonly blocks: number[] = [];
  private next = 0;
  private noted: Call[] = [];

  constructor(bytes: number, notes: boolean) {
    this.bytes = bytes;
    this.notes = notes;
  }

  /** Begins a launch: what was scratch in the last one is no more. */
  begin(): void {
    this.only = 0;
  }

  /** Room for the parameters of the next call. */
  block(): number {
    if (!this.notes) {
      if (this.only === 0) this.only = scratch(this.bytes);
      return this.only;
    }
    const i = this.next++;
    this.blocks[i] ??= scratch(this.bytes);
    return this.blocks[i];
  }

  call(kernel: WasmFunction, params: number): void {
    if (this.notes) this.noted.push({ kernel, args: [params] });
    else kernel(params);
  }

  /** Lets what was noted take its turn, for so many elements. */
  leave(elements: number): void {
    if (this.noted.length === 0) return;
    leaveTasks([this.noted], elements);
    this.noted = [];
  }

  /** From now on calls are not noted. */
  atOnce(): void {
    this.notes = false;
  }

  /** After all of it has been done, its blocks are there for what is called next. */
  restart(): void {
    this.next = 0;
  }
}
