/** Something the projector has to say. An alarm wants a person. */
export interface ProjectorLog {
  readonly level: "info" | "warn" | "alarm";
  readonly shard?: number;
  readonly message: string;
}
